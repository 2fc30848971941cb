//! Explains the program's error codes to people: which rule was broken and what to do next.
//!
//! The codes are those of `programs/farthing/src/error.rs`; `tests/tests/chain/refusal.rs` checks that each of them is
//! explained here and that no other code is.

/// Explains an error code and what to do next; `None` if the code is not one of the program's.
#[must_use]
pub const fn explain(code: u32) -> Option<&'static str> {
    Some(match code {
        6000 => {
            "the mint has an extension that could move or withhold an escrow's tokens: choose another mint"
        }
        6020 => {
            "the manager's allowance changed meanwhile: read the escrow again and repeat the command"
        }
        6060 => "the approved grace is not between 900 seconds and 30 days: choose one that is",
        6120 => "the source is the escrow's vault: withdraw from it instead",
        6121 => "the source is empty: name the token account that holds the tokens",
        6140 => "the escrow has open channels: close them first",
        6141 => "only the escrow's owner or its rent payer may close it: sign with one of them",
        6142 => "the vault is not empty: only the owner may close the escrow",
        6143 => "the vault is not empty: name a token account of the owner that receives the rest",
        6144 => "the destination is not a token account of the owner: name one that is",
        6160 => "the payee is the escrow itself: name the provider's wallet",
        6161 => "the grace is not between 900 seconds and 30 days: choose one that is",
        6162 => {
            "the opened slot is in the future, the node may be ahead of the cluster: repeat the command"
        }
        6163 => "the opened slot is more than 150 slots old: repeat the command",
        6220 => "the cap is not above the lane's current cap: choose a higher cap",
        6260 => {
            "the lane's revocation has not taken effect: revoke the lane and wait until the grace is over"
        }
        6261 => "the cap is below what the lane was already debited: choose a higher cap",
        6262 => "the lane has reached the maximum number of generations: add another lane",
        6280 => "there is nothing to settle: give at least one claim",
        6281 => "there are too many claims for one instruction: settle in several",
        6282 => "a claim's undebited part exceeds its ceiling: correct the claim",
        6283 => {
            "a voucher is not signed by its lane's key for this channel, lane and generation: read the lane again"
        }
        6300 => "the statement has no entry: give at least one",
        6301 => "there are too many entries for one statement: have several signed",
        6302 => "the escrow has no countersigner: settle by vouchers, or ask the owner to name one",
        6303 => {
            "the statement is not signed by the escrow's countersigner for this channel and these entries: have it signed again"
        }
        6304 => "an earlier generation is given for a lane that has no entry: remove it",
        6305 => {
            "a given earlier generation is not earlier than the lane's current one: read the lanes again"
        }
        6340 => "the amount exceeds the undebited part of the deposit: release less",
        6360 => "nothing is unpaid: there is nothing to do",
        6361 => {
            "the payee's token account is missing, frozen, reassigned or requires a memo, or the vault is frozen: fix that first"
        }
        6380 => {
            "the close was already requested: wait until the grace is over, then close the channel"
        }
        6400 => "the channel was opened less than 150 slots ago: close it a minute later",
        6401 => {
            "only the payee may close the channel now: request the close and wait until the grace is over"
        }
        6900 => "this needs the escrow owner's signature: sign with that key",
        6901 => "this needs the signature of the escrow's owner or manager: sign with one of them",
        6902 => "an account belongs to another escrow: check the addresses",
        6903 => "the mint is not the escrow's: check the escrow",
        6904 => "the token account is not the escrow's vault: check the escrow",
        6905 => "the rent payer is not the one recorded in the account: read the account again",
        6906 => "the token account is not the payee's associated token account: check the payee",
        6907 => {
            "the owner has not approved this payee for the manager: ask the owner to approve it"
        }
        6908 => "the grace is longer than the owner approved for this payee: choose a shorter one",
        6909 => "the amount exceeds the manager's allowance: ask the owner to raise it",
        6910 => "the amount exceeds the escrow's free funds: send USDC to its vault first",
        6911 => "the amount is zero: choose a larger amount",
        6912 => "the channel is closing: open another one",
        6913 => "no lane is given: give at least one",
        6914 => "there are too many lanes for one instruction: add them in several",
        6915 => "the channel cannot have that many lanes: open another channel",
        6916 => "a lane's cap is zero: choose a higher cap",
        6917 => "a key is not a point of the curve: generate another one",
        6918 => "a key is not canonically encoded: generate another one",
        6919 => "a key has small order, so anyone could sign for it: generate another one",
        6920 => "the token program is not the escrow's: read the escrow again",
        6921 => "this needs the signature of the channel's payee: sign with that key",
        6922 => "this needs the signature of the channel's settler or payee: sign with one of them",
        6923 => {
            "the countersigner is the payee or the settler of a channel, which must not confirm its own debits: choose another key"
        }
        6924 => "the channel has no such lane: read the channel again",
        6925 => "the lane is revoked: rotate it after the grace is over",
        6926 => "lanes are not strictly ascending: sort them and name each only once",
        6927 => "a debit exceeds its lane's cap: raise the cap first",
        6928 => "the debits exceed the channel's deposit: fund the channel first",
        6950..=6955 => {
            "an internal check of the program failed, nothing was changed: please report it"
        }
        _ => return None,
    })
}
