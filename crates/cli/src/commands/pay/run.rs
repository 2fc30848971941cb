//! Implementation of `farthing pay`.

use std::io::Read;

use farthing_client::paying_client::ask_terms;
use serde_json::{Value, json};

use super::connect::{connect, pay_error};
use super::report::{Paid, Quoted};
use crate::commands::pay::args::PayArgs;
use crate::error::CliError;
use crate::output::Output;

/// Maximum length of a body that is read from a file or stdin, in bytes.
const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// Runs `farthing pay`.
///
/// # Errors
/// [`CliError`], whose message says what to do next.
pub async fn run(args: PayArgs, output: Output) -> Result<(), CliError> {
    if let Some(address) = args.listen {
        return super::listen::run(address, &args, output).await;
    }
    let body = request_body(&args)?;
    if args.quote {
        let required = ask_terms(&args.url, &body).await.map_err(pay_error)?;
        return output.report(&Quoted::new(&args.url, required));
    }
    let client = connect(&args, Vec::new()).await?;
    let answer = client.chat(body).await.map_err(pay_error)?;
    let answered = super::answer::read(answer, output).await?;
    output.report(&Paid::new(answered))
}

/// The given request body, or one built from model and prompt.
fn request_body(args: &PayArgs) -> Result<Value, CliError> {
    let mut body = match (&args.data, &args.data_file, &args.prompt, &args.model) {
        (Some(data), ..) => parse(data.as_bytes())?,
        (_, Some(path), ..) => parse(&read_body(path)?)?,
        (_, _, Some(prompt), Some(model)) => {
            let mut body = json!({
                "model": model,
                "messages": [{"role": "user", "content": prompt}],
            });
            if let Some(max_tokens) = args.max_tokens {
                body["max_tokens"] = max_tokens.into();
            }
            body
        }
        _ => {
            return Err(CliError::usage(
                "nothing to send: give a prompt with --model, or a request body with --data or --data-file",
            ));
        }
    };
    if args.stream {
        body["stream"] = true.into();
    }
    Ok(body)
}

fn parse(data: &[u8]) -> Result<Value, CliError> {
    let body: Value = serde_json::from_slice(data)
        .map_err(|error| CliError::usage(format!("the request's body is not JSON: {error}")))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(CliError::usage("the request's body must be a JSON object"))
    }
}

fn read_body(path: &std::path::Path) -> Result<Vec<u8>, CliError> {
    let mut data = Vec::new();
    let result = if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_BODY_BYTES).read_to_end(&mut data)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BODY_BYTES).read_to_end(&mut data))
    };
    result.map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))?;
    Ok(data)
}
