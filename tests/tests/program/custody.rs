//! Tests of custody: whatever a mint, a payee or a stranger does, the escrow's funds go to the payee or the owner only.

use farthing::error::FarthingError;
use farthing_protocol::limits::OPENED_SLOT_WINDOW;
use farthing_tests::program::tokens::{TOKEN_2022, balance};
use farthing_tests::program::world::{PREPAID, escrow_address};
use farthing_tests::program::{Chain, Channel, Mint, World};
use solana_sdk::account::Account;
use solana_sdk::instruction::{Instruction, InstructionError};
use solana_sdk::pubkey::Pubkey;
use solana_sdk::transaction::TransactionError;
use spl_token_2022_interface::extension::ExtensionType;
use spl_token_2022_interface::extension::{
    confidential_mint_burn, confidential_transfer, confidential_transfer_fee,
    default_account_state, group_member_pointer, group_pointer, interest_bearing_mint,
    memo_transfer, metadata_pointer, pausable, scaled_ui_amount, transfer_fee, transfer_hook,
};
use spl_token_2022_interface::instruction::{
    initialize_mint_close_authority, initialize_non_transferable_mint,
    initialize_permanent_delegate, reallocate,
};
use spl_token_2022_interface::state::AccountState;

use super::codes::code;

/// How a mint gets its extensions.
type Initialize = fn(&Mint) -> Vec<Instruction>;

const ID: &Pubkey = &TOKEN_2022;

/// Mints that could move, withhold or freeze what lies in a vault, or be made anew with such powers.
const HARMFUL: [(&[ExtensionType], Initialize); 10] = [
    (&[ExtensionType::TransferFeeConfig], |mint| {
        let instruction = transfer_fee::instruction::initialize_transfer_fee_config(
            ID,
            &mint.address,
            Some(&mint.authority),
            Some(&mint.authority),
            0,
            0,
        );
        vec![instruction.expect("valid")]
    }),
    (&[ExtensionType::MintCloseAuthority], |mint| {
        let authority = Some(&mint.authority);
        vec![initialize_mint_close_authority(ID, &mint.address, authority).expect("valid")]
    }),
    (&[ExtensionType::ConfidentialTransferMint], |mint| {
        vec![confidential(mint)]
    }),
    (&[ExtensionType::DefaultAccountState], |mint| {
        let state = &AccountState::Initialized;
        let instruction = default_account_state::instruction::initialize_default_account_state(
            ID,
            &mint.address,
            state,
        );
        vec![instruction.expect("valid")]
    }),
    (&[ExtensionType::NonTransferable], |mint| {
        vec![initialize_non_transferable_mint(ID, &mint.address).expect("valid")]
    }),
    (&[ExtensionType::PermanentDelegate], |mint| {
        let delegate = &mint.authority;
        vec![initialize_permanent_delegate(ID, &mint.address, delegate).expect("valid")]
    }),
    (&[ExtensionType::TransferHook], |mint| {
        let authority = Some(mint.authority);
        // Without a program yet: the authority may name one later.
        let instruction =
            transfer_hook::instruction::initialize(ID, &mint.address, authority, None);
        vec![instruction.expect("valid")]
    }),
    (
        &[
            ExtensionType::TransferFeeConfig,
            ExtensionType::ConfidentialTransferMint,
            ExtensionType::ConfidentialTransferFeeConfig,
        ],
        |mint| {
            let fee = transfer_fee::instruction::initialize_transfer_fee_config(
                ID,
                &mint.address,
                None,
                None,
                0,
                0,
            );
            let authority = Some(mint.authority);
            let confidential_fee =
                confidential_transfer_fee::instruction::initialize_confidential_transfer_fee_config(
                    ID,
                    &mint.address,
                    authority,
                    &Default::default(),
                );
            vec![
                fee.expect("valid"),
                confidential(mint),
                confidential_fee.expect("valid"),
            ]
        },
    ),
    (
        &[
            ExtensionType::ConfidentialTransferMint,
            ExtensionType::ConfidentialMintBurn,
        ],
        |mint| {
            let burn = confidential_mint_burn::instruction::initialize_mint(
                ID,
                &mint.address,
                &Default::default(),
                &Default::default(),
            );
            vec![confidential(mint), burn.expect("valid")]
        },
    ),
    (&[ExtensionType::Pausable], |mint| {
        let instruction = pausable::instruction::initialize(ID, &mint.address, &mint.authority);
        vec![instruction.expect("valid")]
    }),
];

/// Mints whose extensions name, group or display.
const HARMLESS: [(&[ExtensionType], Initialize); 6] = [
    (&[], |_| Vec::new()),
    (&[ExtensionType::InterestBearingConfig], |mint| {
        let (address, authority) = (&mint.address, Some(mint.authority));
        let initialize = interest_bearing_mint::instruction::initialize;
        vec![initialize(ID, address, authority, 500).expect("valid")]
    }),
    (&[ExtensionType::ScaledUiAmount], |mint| {
        let (address, authority) = (&mint.address, Some(mint.authority));
        let initialize = scaled_ui_amount::instruction::initialize;
        vec![initialize(ID, address, authority, 1.5).expect("valid")]
    }),
    (&[ExtensionType::MetadataPointer], |mint| {
        let (address, authority) = (&mint.address, Some(mint.authority));
        let initialize = metadata_pointer::instruction::initialize;
        vec![initialize(ID, address, authority, Some(mint.address)).expect("valid")]
    }),
    (&[ExtensionType::GroupPointer], |mint| {
        let (address, authority) = (&mint.address, Some(mint.authority));
        let initialize = group_pointer::instruction::initialize;
        vec![initialize(ID, address, authority, Some(mint.address)).expect("valid")]
    }),
    (&[ExtensionType::GroupMemberPointer], |mint| {
        let (address, authority) = (&mint.address, Some(mint.authority));
        let initialize = group_member_pointer::instruction::initialize;
        vec![initialize(ID, address, authority, Some(mint.address)).expect("valid")]
    }),
];

/// Extensions that a mint gets after it exists, with the lengths of their values.
const LATER: [(ExtensionType, usize); 3] = [
    (ExtensionType::TokenMetadata, 80),
    (ExtensionType::TokenGroup, 80),
    (ExtensionType::TokenGroupMember, 72),
];

fn confidential(mint: &Mint) -> Instruction {
    let authority = Some(mint.authority);
    confidential_transfer::instruction::initialize_mint(ID, &mint.address, authority, true, None)
        .expect("valid")
}

/// Appends an extension to a mint that has one already.
fn extend(chain: &mut Chain, mint: &Mint, extension: u16, length: usize) {
    let mut account: Account = chain.account(&mint.address).expect("the mint exists");
    account.data.extend_from_slice(&extension.to_le_bytes());
    let field = u16::try_from(length).expect("a short value").to_le_bytes();
    account.data.extend_from_slice(&field);
    account.data.resize(account.data.len() + length, 0);
    account.lamports = chain.rent(account.data.len());
    chain.set_account(&mint.address, account);
}

fn pointed(chain: &mut Chain) -> Mint {
    let (extensions, initialize) = HARMLESS[3];
    Mint::create_with(chain, TOKEN_2022, extensions, initialize)
}

#[track_caller]
fn assert_refused(mint: impl FnOnce(&mut Chain) -> Mint) {
    let mut world = World::new();
    world.mint = mint(&mut world.chain);
    let create = world.create_escrow(0);
    assert_eq!(
        world.chain.refused(create),
        code(FarthingError::MintExtensionNotAllowed)
    );
    let escrow = escrow_address(&world.owner, &world.mint.address, 0);
    assert!(world.chain.account(&escrow).is_none());
}

/// Prepays, settles both ways, survives a frozen payee, withdraws and closes.
fn live(mut world: World) {
    let agents: Vec<Pubkey> = (0..2).map(|_| world.chain.new_key()).collect();
    let channel = world.open(0, 1_000, &agents);
    let countersigner = world.chain.new_key();
    let set = world.set_countersigner(Some(countersigner), &[channel]);
    let claims = world.claims(&channel, &agents, 100);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[set, settle]);
    assert_eq!(world.payee_balance(), 200);

    let (mint, account) = (world.mint, world.payee_token());
    mint.freeze(&mut world.chain, &account);
    let statement = world.statement(&channel, &countersigner, &[(1, 150)]);
    let settle = world.settle_statement(&channel, statement);
    world.chain.succeed(&[settle]);
    mint.thaw(&mut world.chain, &account);
    let pay = world.pay_out(&channel);
    world.chain.succeed(&[pay]);
    assert_eq!(world.payee_balance(), 250);

    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let destination = mint.open(&mut world.chain, &world.owner);
    let close = world.close_channel(&channel);
    let withdraw = world.withdraw(destination, 1);
    let end = world.close_escrow(Some(destination));
    world.chain.succeed(&[close, withdraw, end]);
    assert_eq!(balance(&world.chain, &destination), PREPAID - 250);
    assert!(world.chain.account(&world.escrow).is_none());
}

#[test]
fn mints_with_harmful_extensions_are_refused() {
    for (extensions, initialize) in HARMFUL {
        assert_refused(|chain| Mint::create_with(chain, TOKEN_2022, extensions, initialize));
    }
}

#[test]
fn mints_with_unknown_extensions_are_refused() {
    for extension in [28, 29, 1_000, u16::MAX] {
        let mut world = World::new();
        world.mint = pointed(&mut world.chain);
        // As if a later version of the token program, which knows the extension, had made the vault.
        let escrow = escrow_address(&world.owner, &world.mint.address, 0);
        let mint = world.mint;
        mint.open(&mut world.chain, &escrow);
        extend(&mut world.chain, &mint, extension, 8);
        let create = world.create_escrow(0);
        assert_eq!(
            world.chain.refused(create),
            code(FarthingError::MintExtensionNotAllowed)
        );
    }
}

#[test]
fn one_harmful_extension_among_harmless_ones_is_enough() {
    assert_refused(|chain| {
        let extensions = [
            ExtensionType::MetadataPointer,
            ExtensionType::PermanentDelegate,
        ];
        Mint::create_with(chain, TOKEN_2022, &extensions, |mint| {
            let mut instructions = HARMLESS[3].1(mint);
            instructions.extend(HARMFUL[5].1(mint));
            instructions
        })
    });
}

#[test]
fn mints_with_harmless_extensions_work() {
    for (extensions, initialize) in HARMLESS {
        let mut chain = Chain::new();
        let mint = Mint::create_with(&mut chain, TOKEN_2022, extensions, initialize);
        live(World::with_mint(chain, mint));
    }
    for (extension, length) in LATER {
        let mut chain = Chain::new();
        let mint = pointed(&mut chain);
        extend(&mut chain, &mint, extension.into(), length);
        live(World::with_mint(chain, mint));
    }
}

#[test]
fn the_classic_token_program_works_as_well() {
    live(World::new());
}

#[test]
fn a_mint_and_another_token_program_do_not_go_together() {
    let mut world = World::new();
    world.mint.token_program = TOKEN_2022;
    let create = world.create_escrow(1);
    let failure = world
        .chain
        .send(&[create])
        .expect_err("no vault can be made");
    assert_eq!(
        failure.err,
        TransactionError::InstructionError(1, InstructionError::IncorrectProgramId)
    );
}

#[test]
fn a_payee_that_wants_memos_is_paid_once_it_no_longer_does() {
    let mut chain = Chain::new();
    let mint = Mint::create_2022(&mut chain);
    let mut world = World::with_mint(chain, mint);
    let agent = world.chain.new_key();
    let channel = world.open(0, 1_000, &[agent]);
    let (payee, account) = (world.payee, world.payee_token());
    let memos = [ExtensionType::MemoTransfer];
    let grow = reallocate(ID, &account, &payee, &payee, &[], &memos).expect("valid");
    let enable =
        memo_transfer::instruction::enable_required_transfer_memos(ID, &account, &payee, &[]);
    world.chain.succeed(&[grow, enable.expect("valid")]);

    let claims = world.claims(&channel, &[agent], 100);
    let settle = world.settle(&channel, claims);
    world.chain.succeed(&[settle]);
    assert_eq!(world.payee_balance(), 0);
    assert_eq!(world.channel_state(&channel.address).0.unpaid.0, 100);
    // The payee cannot hold back what is the owner's by it.
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
    assert_eq!(world.escrow_state().allocated, 100);

    let disable =
        memo_transfer::instruction::disable_required_transfer_memos(ID, &account, &payee, &[]);
    let pay = world.pay_out(&channel);
    world.chain.succeed(&[disable.expect("valid"), pay]);
    assert_eq!(world.payee_balance(), 100);
}

#[test]
fn a_payee_that_cannot_receive_harms_nobody_else() {
    let (mut world, frozen, agents) = World::with_channel(1_000, 1);
    let (mint, account, first) = (world.mint, world.payee_token(), world.payee);
    let stale = world.funds(&frozen);
    mint.freeze(&mut world.chain, &account);
    world.payee = world.chain.new_key();
    mint.open(&mut world.chain, &world.payee);
    let working = world.open(0, 1_000, &agents);

    let claims = world.claims(&working, &agents, 100);
    let settle_working = world.settle(&working, claims);
    let second = std::mem::replace(&mut world.payee, first);
    assert_eq!(world.funds(&frozen).payee_token, stale.payee_token);
    let claims = world.claims(&frozen, &agents, 100);
    let settle_frozen = world.settle(&frozen, claims);
    world.chain.succeed(&[settle_frozen, settle_working]);
    assert_eq!(world.payee_balance(), 0);
    assert_eq!(balance(&world.chain, &mint.address_of(&second)), 100);
    assert_eq!(world.channel_state(&frozen.address).0.unpaid.0, 100);
}

#[test]
fn lamports_at_the_addresses_beforehand_block_nothing() {
    let mut world = World::new();
    let escrow = escrow_address(&world.owner, &world.mint.address, 1);
    let agent = world.chain.new_key();
    let args = world.open_args(0, 1_000, &[agent]);
    let channel: Channel = world.channel(&args);
    let targets = [
        escrow,
        world.mint.address_of(&escrow),
        channel.address,
        world.approval(),
    ];
    // Less than any rent, and more than it.
    for (target, lamports) in targets
        .iter()
        .zip([900_000, 900_000, 1_000_000_000, 900_000])
    {
        world.chain.airdrop(target, lamports);
    }
    let create = world.create_escrow(1);
    let approve = world.approve_payee(900);
    let open = world.open_channel(args);
    world.chain.succeed(&[create, approve, open]);

    // Whoever paid the rent gets the gift.
    world.chain.pass(60, OPENED_SLOT_WINDOW + 1);
    let held = world.chain.lamports(&channel.address);
    assert_eq!(held, 1_000_000_000);
    let before = world.chain.lamports(&world.rent_payer);
    let close = world.close_channel(&channel);
    world.chain.succeed(&[close]);
    assert_eq!(world.chain.lamports(&world.rent_payer), before + held);
}

#[test]
fn donations_are_free_funds() {
    let (mut world, channel, _) = World::with_channel(PREPAID, 1);
    let mint = world.mint;
    let destination = mint.open(&mut world.chain, &world.owner);
    let withdraw = world.withdraw(destination, 1);
    assert_eq!(
        world.chain.refused(withdraw),
        code(FarthingError::InsufficientFreeFunds)
    );
    let donor = mint.open(&mut world.chain, &world.stranger);
    mint.mint(&mut world.chain, &donor, 500);
    let vault = world.vault();
    mint.transfer(&mut world.chain, &donor, &vault, &world.stranger, 500);
    let fund = world.fund_channel(&channel, 200);
    let withdraw = world.withdraw(destination, 300);
    world.chain.succeed(&[fund, withdraw]);
    assert_eq!(world.escrow_state().allocated, PREPAID + 200);
}
