//! Tests with accounts of every released layout: readers still understand them, and the program still pays from them.
//!
//! `layouts/1.json` has an escrow, an approval and two channels as layout 1 left them, with the token accounts
//! that they need. A fixture is written once, with `FARTHING_BLESS=1` while it does not exist, and never changed: a
//! program that no longer accepts it must not be deployed. A new layout gets a new file.

use std::path::PathBuf;

use farthing::Claim;
use farthing_chain::{Approval, Channel as ChannelAccount, Escrow};
use farthing_protocol::deadline::ChainTime;
use farthing_protocol::limits::{MIN_GRACE_SECONDS, OPENED_SLOT_WINDOW};
use farthing_protocol::{BaseUnits, Domain, Generation};
use farthing_tests::program::tokens::{CLASSIC, balance};
use farthing_tests::program::world::{Channel, PREPAID, new_lane};
use farthing_tests::program::{Chain, Mint, World};
use serde_json::{Value, json};
use solana_sdk::account::Account;
use solana_sdk::bs58;
use solana_sdk::pubkey::Pubkey;

const DEPOSIT: u64 = 1_000;
const ALLOWANCE: u64 = 5_000;
/// Debited and not yet paid.
const UNPAID: u64 = 100;
/// A ceiling that was signed and not yet claimed, and how much of it is not.
const AUTHORIZED: u64 = 400;
const UNDEBITED: u32 = 50;
/// A lane of its second generation, and one that was revoked.
const ROTATED: u16 = 1;
const REVOKED: u16 = 2;

fn path(layout: u8) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/layouts");
    PathBuf::from(folder).join(format!("{layout}.json"))
}

/// The accounts as the present program leaves them.
fn made_now() -> Value {
    let (mut world, channel, agents) = World::with_channel(DEPOSIT, 3);
    let closing = world.open(1, DEPOSIT, &agents);
    world.appoint(ALLOWANCE);
    let countersigner = world.chain.new_key();
    let set = world.set_countersigner(Some(countersigner), &[channel, closing]);
    let approve = world.approve_payee(MIN_GRACE_SECONDS);
    world.chain.succeed(&[set, approve]);
    world.rotate(&channel, ROTATED);

    let payee_token = world.payee_token();
    let mint = world.mint;
    mint.freeze(&mut world.chain, &payee_token);
    let claims = world.claims(&channel, &agents[..1], UNPAID);
    let settle = world.settle(&channel, claims);
    let revoke = world.revoke_lane(&channel, REVOKED);
    let request = world.request_close(&closing);
    world.chain.succeed(&[settle, revoke, request]);
    mint.thaw(&mut world.chain, &payee_token);
    mint.open(&mut world.chain, &world.owner.clone());

    let claim = world.claim(channel.domain, (0, &agents[0]), AUTHORIZED, UNDEBITED);
    let now = world.chain.time();
    let accounts = [
        world.escrow,
        world.approval(),
        channel.address,
        closing.address,
        mint.address,
        world.vault(),
        payee_token,
        mint.address_of(&world.owner),
    ];
    json!({
        "program_version": env!("CARGO_PKG_VERSION"),
        "unix_timestamp": now.unix_timestamp,
        "slot": now.slot,
        "owner": world.owner.to_string(),
        "manager": world.manager.to_string(),
        "payee": world.payee.to_string(),
        "settler": world.settler.to_string(),
        "rent_payer": world.rent_payer.to_string(),
        "countersigner": countersigner.to_string(),
        "mint": mint.address.to_string(),
        "mint_authority": mint.authority.to_string(),
        "escrow": world.escrow.to_string(),
        "approval": world.approval().to_string(),
        "channel": channel.address.to_string(),
        "closing_channel": closing.address.to_string(),
        "voucher_signature": bs58::encode(claim.signature).into_string(),
        "accounts": accounts.map(|address| {
            let account = world.chain.account(&address).expect("it was just made");
            json!({
                "address": address.to_string(),
                "owner": account.owner.to_string(),
                "lamports": account.lamports,
                "data": bs58::encode(&account.data).into_string(),
            })
        }),
    })
}

/// A fixture, written now if it does not exist and that is wanted.
fn fixture(layout: u8) -> Value {
    let path = path(layout);
    if !path.exists() && std::env::var_os("FARTHING_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&made_now()).expect("plain values");
        std::fs::write(&path, text + "\n").expect("the fixture can be written");
    }
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("a fixture is JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} is missing"))
}

fn key(value: &Value, name: &str) -> Pubkey {
    text(value, name).parse().expect("an address")
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    bs58::decode(text(value, name)).into_vec().expect("base58")
}

/// A chain that begins with the fixture's accounts, at its time.
fn world_of(fixture: &Value) -> World {
    let mut chain = Chain::without_transaction_checks();
    chain.set_time(ChainTime {
        unix_timestamp: fixture["unix_timestamp"].as_i64().expect("a number"),
        slot: fixture["slot"].as_u64().expect("a number"),
    });
    for account in fixture["accounts"].as_array().expect("a list") {
        let lamports = account["lamports"].as_u64().expect("a number");
        let data = bytes(account, "data");
        let owner = key(account, "owner");
        let account_data = Account {
            lamports,
            data,
            owner,
            ..Account::default()
        };
        chain.set_account(&key(account, "address"), account_data);
    }
    World {
        mint: Mint {
            address: key(fixture, "mint"),
            authority: key(fixture, "mint_authority"),
            token_program: CLASSIC,
        },
        owner: key(fixture, "owner"),
        rent_payer: key(fixture, "rent_payer"),
        manager: key(fixture, "manager"),
        payee: key(fixture, "payee"),
        settler: key(fixture, "settler"),
        stranger: chain.new_key(),
        escrow: key(fixture, "escrow"),
        chain,
    }
}

fn data(world: &World, address: &Pubkey) -> Vec<u8> {
    world
        .chain
        .account(address)
        .expect("it is in the fixture")
        .data
}

#[test]
fn readers_understand_layout_1() {
    let fixture = fixture(1);
    let world = world_of(&fixture);

    let escrow = Escrow::decode(&data(&world, &world.escrow)).expect("an escrow");
    assert_eq!(escrow.owner, world.owner);
    assert_eq!(escrow.mint, world.mint.address);
    assert_eq!(escrow.token_program, CLASSIC);
    assert_eq!(escrow.rent_payer, world.rent_payer);
    assert_eq!(escrow.escrow_id, 0);
    assert_eq!(escrow.manager, Some(world.manager));
    assert_eq!(escrow.manager_allowance, BaseUnits(ALLOWANCE));
    assert_eq!(escrow.countersigner, Some(key(&fixture, "countersigner")));
    assert_eq!(escrow.open_channels, 2);
    assert_eq!(escrow.allocated, BaseUnits(2 * DEPOSIT));
    assert!(escrow.event_sequence > 0);

    let approval =
        Approval::decode(&data(&world, &key(&fixture, "approval"))).expect("an approval");
    assert_eq!(
        (approval.escrow, approval.payee),
        (world.escrow, world.payee)
    );
    assert_eq!(approval.max_grace_seconds, MIN_GRACE_SECONDS);
    assert_eq!(approval.rent_payer, world.rent_payer);

    let channel =
        ChannelAccount::decode(&data(&world, &key(&fixture, "channel"))).expect("a channel");
    assert_eq!(
        (channel.escrow(), channel.payee()),
        (world.escrow, world.payee)
    );
    assert_eq!(channel.header.settler, world.settler.to_bytes());
    assert_eq!(channel.header.rent_payer, world.rent_payer.to_bytes());
    assert_eq!(channel.header.grace_seconds, MIN_GRACE_SECONDS);
    assert_eq!(channel.header.deposit, BaseUnits(DEPOSIT));
    assert_eq!(channel.header.debited, BaseUnits(UNPAID));
    assert_eq!(channel.header.unpaid, BaseUnits(UNPAID));
    assert!(!channel.header.is_closing());
    let lanes = &channel.lanes;
    assert_eq!(lanes.len(), 3);
    assert!(lanes.iter().all(|lane| lane.cap == BaseUnits(PREPAID)));
    let debited: Vec<u64> = lanes.iter().map(|lane| lane.debited.0).collect();
    assert_eq!(debited, [UNPAID, 0, 0]);
    let generations: Vec<Generation> = lanes.iter().map(|lane| lane.generation).collect();
    assert_eq!(generations, [0, 1, 0].map(Generation));
    let revoked: Vec<bool> = lanes.iter().map(|lane| lane.is_revoked()).collect();
    assert_eq!(revoked, [false, false, true]);

    let closing = key(&fixture, "closing_channel");
    let closing = ChannelAccount::decode(&data(&world, &closing)).expect("a channel");
    assert!(closing.header.is_closing());
    assert_eq!(closing.header.channel_id, 1);
}

#[test]
fn the_program_pays_from_layout_1_and_gives_the_rest_back() {
    let fixture = fixture(1);
    let mut world = world_of(&fixture);
    let channel_of = |world: &World, name| {
        let address = key(&fixture, name);
        let domain: Domain = world.channel_state(&address).0.domain;
        Channel { address, domain }
    };
    let channel = channel_of(&world, "channel");
    let closing = channel_of(&world, "closing_channel");

    let claim = Claim {
        lane: 0,
        authorized: AUTHORIZED,
        undebited: UNDEBITED,
        signature: bytes(&fixture, "voucher_signature")
            .try_into()
            .expect("64 bytes"),
    };
    let settle = world.settle(&channel, vec![claim]);
    world.chain.succeed(&[settle]);
    let paid = AUTHORIZED - u64::from(UNDEBITED);
    assert_eq!(world.payee_balance(), paid);

    let seconds = i64::from(MIN_GRACE_SECONDS);
    let slots = u64::from(MIN_GRACE_SECONDS) + OPENED_SLOT_WINDOW + 1;
    world.chain.pass(seconds, slots);
    let new = new_lane(world.chain.new_address());
    let rotate = world.rotate_lane(&channel, REVOKED, new);
    let revoke = world.revoke_payee();
    let close_closing = world.close_channel(&closing);
    let request = world.request_close(&channel);
    world
        .chain
        .succeed(&[rotate, revoke, close_closing, request]);
    world.chain.pass(seconds, slots);
    let close = world.close_channel(&channel);
    let owner_token = world.mint.address_of(&world.owner);
    let close_escrow = world.close_escrow(Some(owner_token));
    world.chain.succeed(&[close, close_escrow]);
    assert_eq!(balance(&world.chain, &owner_token), PREPAID - paid);
    assert!(world.chain.account(&world.escrow).is_none());
}
