//! Compares the committed IDL with the instructions that the program accepts. Whether the IDL is up to date is checked
//! by `scripts/build-idl --check`.

use farthing_protocol::layout::{
    APPROVAL_DISCRIMINATOR, CHANNEL_DISCRIMINATOR, ESCROW_DISCRIMINATOR,
};
use farthing_tests::program::stage::{INSTRUCTIONS, Stage};
use serde_json::{Value, json};

const IDL: &str = include_str!("../../../programs/farthing/artifact/farthing.json");

fn idl() -> Value {
    serde_json::from_str(IDL).expect("the committed file is JSON")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Name, and whether it signs and is writable, of every account; groups are opened.
fn accounts(of: &Value) -> Vec<(&str, bool, bool)> {
    list(of, "accounts")
        .iter()
        .flat_map(|account| {
            if account["accounts"].is_array() {
                return accounts(account);
            }
            let name = account["name"].as_str().expect("every account has a name");
            vec![(name, account["signer"] == true, account["writable"] == true)]
        })
        .collect()
}

#[test]
fn it_describes_every_instruction_as_the_program_takes_it() {
    let idl = idl();
    assert_eq!(idl["address"], farthing::ID.to_string());
    assert_eq!(list(&idl, "instructions").len(), INSTRUCTIONS.len());
    for (name, build) in INSTRUCTIONS {
        let mut stage = Stage::new();
        let (names, instruction) = build(&mut stage);
        let described = list(&idl, "instructions")
            .iter()
            .find(|described| described["name"] == name)
            .unwrap_or_else(|| panic!("{name} is not described"));
        assert_eq!(described["discriminator"], json!([instruction.data[0]]));
        let taken: Vec<_> = names
            .iter()
            .zip(&instruction.accounts)
            .map(|(name, meta)| (*name, meta.is_signer, meta.is_writable))
            .collect();
        assert_eq!(accounts(described), taken, "{name}");
        stage.world.chain.succeed(&[instruction]);
    }
}

#[test]
fn accounts_begin_as_readers_expect() {
    let idl = idl();
    for (name, discriminator) in [
        ("Approval", APPROVAL_DISCRIMINATOR),
        ("Channel", CHANNEL_DISCRIMINATOR),
        ("Escrow", ESCROW_DISCRIMINATOR),
    ] {
        let described = list(&idl, "accounts")
            .iter()
            .find(|described| described["name"] == name)
            .unwrap_or_else(|| panic!("{name} is not described"));
        assert_eq!(described["discriminator"], json!(discriminator));
    }
}
