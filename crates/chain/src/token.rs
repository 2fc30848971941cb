//! Tokens: mints of the classic token program or of Token-2022, and the token accounts of wallets.
//!
//! Both programs take the same instructions and lay their accounts out the same way, as far as is needed
//! here. They differ in their address, which every payment names and every associated token account's
//! address is derived from.

use std::ops::Range;

use farthing_protocol::BaseUnits;
use solana_sdk::pubkey;
use solana_sdk::pubkey::Pubkey;

/// The classic SPL token program.
pub const TOKEN_PROGRAM: Pubkey = pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
/// Token-2022.
pub const TOKEN_2022_PROGRAM: Pubkey = pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
/// The program of associated token accounts.
pub const ASSOCIATED_TOKEN_PROGRAM: Pubkey =
    pubkey!("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// Length of a token account without extensions.
const ACCOUNT_LENGTH: usize = 165;
/// Position of the amount in a token account.
const AMOUNT: Range<usize> = 64..72;
/// The byte after the base account of an account with extensions, if it is a token account and not a mint.
const ACCOUNT_TYPE: u8 = 2;
/// Length of a multisig, which no token account has.
const MULTISIG_LENGTH: usize = 355;

/// A mint and the token program that it belongs to. The program never changes: it owns the mint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// The mint.
    pub mint: Pubkey,
    /// The mint's token program: [`TOKEN_PROGRAM`] or [`TOKEN_2022_PROGRAM`].
    pub program: Pubkey,
}

impl Token {
    /// A mint of the classic token program, as USDC's is.
    #[must_use]
    pub const fn classic(mint: Pubkey) -> Self {
        Self {
            mint,
            program: TOKEN_PROGRAM,
        }
    }
}

/// Whether an escrow may hold tokens of this program.
#[must_use]
pub fn is_token_program(program: &Pubkey) -> bool {
    [TOKEN_PROGRAM, TOKEN_2022_PROGRAM].contains(program)
}

/// The associated token account of `wallet`. An escrow's vault is the one of the escrow's address; a payee is paid to
/// the one of its wallet.
#[must_use]
pub fn associated_token_address(wallet: &Pubkey, token: &Token) -> Pubkey {
    Pubkey::find_program_address(
        &[wallet.as_ref(), token.program.as_ref(), token.mint.as_ref()],
        &ASSOCIATED_TOKEN_PROGRAM,
    )
    .0
}

/// The balance of the token account with this data, owned by `program`; `None` if it is not a token account.
pub(super) fn token_account_amount(program: &Pubkey, data: &[u8]) -> Option<BaseUnits> {
    let is_account = match data.len() {
        ACCOUNT_LENGTH => is_token_program(program),
        MULTISIG_LENGTH => false,
        // Associated accounts of Token-2022 have at least the extension that fixes their owner.
        _ => *program == TOKEN_2022_PROGRAM && data.get(ACCOUNT_LENGTH) == Some(&ACCOUNT_TYPE),
    };
    if !is_account {
        return None;
    }
    let amount = data.get(AMOUNT)?.try_into().ok()?;
    Some(BaseUnits(u64::from_le_bytes(amount)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_token_accounts_have_an_amount() {
        let mut data = vec![0; 400];
        data[64..72].copy_from_slice(&7_u64.to_le_bytes());
        data[165] = 2;
        let amount = |program: &Pubkey, data: &[u8]| token_account_amount(program, data);
        let seven = Some(BaseUnits(7));
        assert_eq!(amount(&TOKEN_PROGRAM, &data[..165]), seven);
        assert_eq!(amount(&TOKEN_2022_PROGRAM, &data[..165]), seven);
        // Only Token-2022 accounts can have extensions.
        assert_eq!(amount(&TOKEN_2022_PROGRAM, &data[..170]), seven);
        assert_eq!(amount(&TOKEN_2022_PROGRAM, &data), seven);
        assert_eq!(amount(&TOKEN_PROGRAM, &data[..170]), None);

        assert_eq!(amount(&ASSOCIATED_TOKEN_PROGRAM, &data[..165]), None);
        for length in [0, 82, 164, 355] {
            assert_eq!(
                amount(&TOKEN_2022_PROGRAM, &data[..length]),
                None,
                "{length}"
            );
        }
        data[165] = 1;
        assert_eq!(amount(&TOKEN_2022_PROGRAM, &data), None, "a mint");
    }
}
