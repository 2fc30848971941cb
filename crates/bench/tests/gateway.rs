//! The benchmark of the gateway runs: every answer is what its caller expects, and every receipt is booked.

use std::process::Command;

use serde_json::Value;

#[test]
fn paid_requests_are_answered_and_booked() {
    let output = Command::new(env!("CARGO_BIN_EXE_farthing-bench"))
        .args(["gateway", "--json", "--only", "gateway, paid"])
        .args([
            "--rounds",
            "1",
            "--seconds",
            "1",
            "--sustained-seconds",
            "1",
        ])
        .output()
        .expect("the program starts");

    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let last = text.lines().last().expect("it says something");
    let figures: Value = serde_json::from_str(last).expect("it ends with figures");
    for measured in [
        "paid_rps",
        "sustained_rps",
        "sustained_p99_ms",
        "flood_p99_ratio",
    ] {
        assert!(figures[measured].is_f64(), "{measured}: {figures}");
    }
    for left_out in ["direct_rps", "paid_over_unpaid", "layer_over_x402_axum"] {
        assert!(figures[left_out].is_null(), "{left_out}: {figures}");
    }
}
