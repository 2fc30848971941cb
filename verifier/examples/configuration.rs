//! Prints `docs/configuration.md`, the page that lists every configuration key.

fn main() {
    print!("{}", farthing_verifier::config::reference_page());
}
