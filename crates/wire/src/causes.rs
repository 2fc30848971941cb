//! Error messages that include the causes of an error.

use std::error::Error;

/// The message of an error, followed by those of its causes ([`Error::source`]). The outermost message of an HTTP
/// client's error alone does not say what went wrong.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
