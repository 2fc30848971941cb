//! Whom to tell about a defect, inside the bytecode, where explorers and `query-security-txt` look for it.

use solana_security_txt::security_txt;

security_txt! {
    name: "Farthing",
    project_url: "https://github.com/farthing-labs/farthing",
    contacts: "link:https://github.com/farthing-labs/farthing/security/advisories/new",
    policy: "https://github.com/farthing-labs/farthing/blob/main/SECURITY.md",
    preferred_languages: "en",
    source_code: "https://github.com/farthing-labs/farthing",
    source_release: concat!("v", env!("CARGO_PKG_VERSION")),
    auditors: "None"
}
