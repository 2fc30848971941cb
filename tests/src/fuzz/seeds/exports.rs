//! Seeds of store exports, as written by the releases.

use serde_json::json;

use super::Seed;
use crate::fuzz::export::UNSEALED;

const EXPORTS: [(&str, &str); 2] = [
    (
        "version_1",
        include_str!("../../../../verifier/fixtures/stores/0.1.0.jsonl"),
    ),
    (
        "version_2",
        include_str!("../../../../verifier/fixtures/stores/0.1.0+outcomes.jsonl"),
    ),
];

/// All exports, complete and without their last line, and a minimal export.
pub(super) fn exports() -> Vec<Seed> {
    let counts = json!({"channels": 0, "lanes": 0, "used": 0, "reservations": 0, "settlements": 0, "outcomes": 0});
    let header = json!({"format": "farthing-store", "version": 2, "counts": counts});
    let empty = format!("{header}\n");
    let mut seeds = Vec::new();
    for (name, text) in EXPORTS {
        let whole = [&[0], text.as_bytes()].concat();
        seeds.push(Seed::new("export", name, whole));
        let end = text.trim_end().rfind('\n').expect("there are lines") + 1;
        let unsealed = [&[UNSEALED], &text.as_bytes()[..end]].concat();
        seeds.push(Seed::new("export", format!("{name}_unsealed"), unsealed));
    }
    let unsealed = [&[UNSEALED], empty.as_bytes()].concat();
    seeds.push(Seed::new("export", "empty_unsealed", unsealed));
    seeds.push(Seed::new(
        "export",
        "cut",
        [&[0], empty.as_bytes()].concat(),
    ));
    seeds
}
