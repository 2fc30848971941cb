//! Prints the page that lists every key of the configuration, `docs/configuration.md`.

fn main() {
    print!("{}", farthing_verifier::config::reference_page());
}
