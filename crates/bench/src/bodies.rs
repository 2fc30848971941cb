//! Measures what it costs the gateway to read and price a large request body, and to write what is sent on: processor
//! time per megabyte, for bodies of all kinds and some that were made to be slow.

use std::fmt;
use std::hint::black_box;
use std::io;
use std::time::Duration;

use clap::Args;
use farthing_protocol::BaseUnits;
use farthing_tests::text::table;
use farthing_wire::pricing::{BodyRules, Endpoint, ModelPrice, QuoteError, RequestBody};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use serde_json::{Value, json};

use crate::figures::{median, rounded};

/// Bytes of a megabyte.
const MEGABYTE: usize = 1_000_000;

/// Arguments of `bodies`.
#[derive(Debug, Clone, Copy, Args)]
pub struct BodiesArgs {
    /// Length of each body in megabytes
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=32))]
    pub megabytes: u64,
    /// Number of times that each body is priced; the median is reported
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Print the figures as one line of JSON at the end
    #[arg(long)]
    pub json: bool,
}

/// Processor time of one kind of body.
#[derive(Debug, Serialize)]
struct Measured {
    body: &'static str,
    megabytes: f64,
    cpu_ms_per_megabyte: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    bodies: Vec<Measured>,
    worst_cpu_ms_per_megabyte: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["body", "MB", "ms of processor time per MB"];
        let rows: Vec<_> = self
            .bodies
            .iter()
            .map(|measured| {
                [
                    measured.body.to_owned(),
                    measured.megabytes.to_string(),
                    measured.cpu_ms_per_megabyte.to_string(),
                ]
            })
            .collect();
        f.write_str(&table(header, &rows))
    }
}

/// Measures every kind of body, and prints the figures.
///
/// # Errors
/// If a body has no price, which is a defect.
pub fn run(args: &BodiesArgs) -> io::Result<()> {
    let length = usize::try_from(args.megabytes).map_err(io::Error::other)? * MEGABYTE;
    let mut bodies = Vec::new();
    for (name, endpoint, body) in bodies_of(length) {
        eprintln!("pricing {name}");
        let mut times = Vec::new();
        for _ in 0..args.rounds {
            let time = price(endpoint, body.clone()).map_err(io::Error::other)?;
            times.push(time.as_secs_f64());
        }
        let megabytes = body.len() as f64 / MEGABYTE as f64;
        bodies.push(Measured {
            body: name,
            megabytes: rounded(megabytes, 1),
            cpu_ms_per_megabyte: rounded(median(times) * 1e3 / megabytes, 2),
        });
    }
    let worst = bodies
        .iter()
        .map(|measured| measured.cpu_ms_per_megabyte)
        .fold(0.0, f64::max);
    let report = Report {
        bodies,
        worst_cpu_ms_per_megabyte: worst,
    };
    println!("{report}");
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

/// Parses a body, prices it and writes what is sent on; returns the processor time that this took.
fn price(endpoint: Endpoint, body: String) -> Result<Duration, QuoteError> {
    let price = ModelPrice {
        input_per_million: BaseUnits(150_000),
        output_per_million: BaseUnits(600_000),
        tokens_per_image: Some(1_600),
        ..ModelPrice::free(4_096)
    };
    let before = thread_time();
    let body = match RequestBody::parse(body) {
        Ok(body) => body,
        // What costs more to read than its bytes say is refused once that is seen.
        Err(_) => return Ok(thread_time().saturating_sub(before)),
    };
    let quote = price.quote(endpoint, &body, &BodyRules::default())?;
    black_box(body.with(&quote.changes));
    Ok(thread_time().saturating_sub(before))
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

/// Bodies of about a length.
fn bodies_of(length: usize) -> Vec<(&'static str, Endpoint, String)> {
    let message = |content: Value| json!({"role": "user", "content": content});
    let chat = |messages: Value| json!({"model": "m", "messages": messages}).to_string();
    let text = |length: usize| "Four score and seven years ago. ".repeat(length / 32);
    let turns = 4_000;
    let conversation: Vec<Value> = (0..turns)
        .map(|_| message(text(length / turns).into()))
        .collect();
    let image = format!("data:image/png;base64,{}", "iVBORw0K".repeat(length / 8));
    let image = json!([{"type": "image_url", "image_url": {"url": image}}]);
    let texts: Vec<String> = (0..2_048).map(|_| text(length / 2_048)).collect();
    let tokens: Vec<u32> = (0..u32::try_from(length / 7).unwrap_or(u32::MAX))
        .map(|number| 100_000 + number % 100_000)
        .collect();
    let items: Vec<Value> = (0..2_000)
        .map(|number| {
            json!({"type": "function_call_output", "call_id": number.to_string(), "output": text(length / 2_000)})
        })
        .collect();
    // As many objects as are read, in a body of about the length, and then far more.
    let many = |number: usize| {
        let objects = vec![r#"{"a":0}"#; number].join(",");
        let rest = text(length.saturating_sub(8 * number));
        format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"{rest}"}}],"metadata":[{objects}]}}"#
        )
    };
    vec![
        (
            "one long text",
            Endpoint::ChatCompletions,
            chat(json!([message(text(length).into())])),
        ),
        (
            "4,000 messages",
            Endpoint::ChatCompletions,
            chat(conversation.into()),
        ),
        (
            "one inline image",
            Endpoint::ChatCompletions,
            chat(json!([message(image)])),
        ),
        (
            "2,048 texts to embed",
            Endpoint::Embeddings,
            json!({"model": "m", "input": texts}).to_string(),
        ),
        (
            "tokens to embed",
            Endpoint::Embeddings,
            json!({"model": "m", "input": tokens}).to_string(),
        ),
        (
            "2,000 outputs of tools",
            Endpoint::Responses,
            json!({"model": "m", "input": items}).to_string(),
        ),
        (
            "90,000 tiny objects",
            Endpoint::ChatCompletions,
            many(90_000),
        ),
        (
            "tiny objects only, refused",
            Endpoint::ChatCompletions,
            many(length / 8),
        ),
    ]
}
