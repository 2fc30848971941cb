//! The program's error codes, for people: which rule was broken and what to do next.
//!
//! The codes are the program's (`programs/farthing/src/error.rs`); `tests/tests/client/refusal.rs` checks
//! that none is missing here and that no other is explained.

/// What the program said, and what to do about it; `None` if the code is not the program's.
#[must_use]
pub const fn explain(code: u32) -> Option<&'static str> {
    Some(match code {
        6000 => {
            "the mint has an extension that could move or withhold an escrow's tokens: choose another mint"
        }
        6020 => {
            "the manager's allowance changed meanwhile: read the escrow again and repeat the command"
        }
        6060 => "the approved grace is outside 900 seconds to 30 days: choose one within",
        6120 => "the source is the escrow's vault: withdraw from it instead",
        6121 => "the source holds nothing: name the token account that holds what was sent",
        6140 => "the escrow has open channels: close them first",
        6141 => "only the escrow's owner or its rent payer may close it: sign with one of them",
        6142 => "the vault is not empty: only the owner may close the escrow",
        6143 => "the vault is not empty: name a token account of the owner that receives the rest",
        6144 => "the destination is not a token account of the owner: name one that is",
        6160 => "the payee is the escrow itself: name the provider's wallet",
        6161 => "the grace is outside 900 seconds to 30 days: choose one within",
        6162 => {
            "the opened slot lies in the future: is the node ahead of the cluster? repeat the command"
        }
        6163 => "the opened slot is more than 150 slots old: repeat the command",
        6220 => "the cap is not above the lane's present one: name a larger one",
        6260 => {
            "the lane's revocation has not taken effect: revoke it, and wait for the end of the grace"
        }
        6261 => "the cap is below what the lane was debited already: name a larger one",
        6262 => "the lane had as many signers as a voucher can number: add another lane",
        6280 => "there is nothing to settle: give at least one claim",
        6281 => "there are too many claims for one instruction: settle in several",
        6282 => "a claim leaves more undebited than its whole ceiling: correct it",
        6283 => {
            "a voucher is not signed by its lane's key for this channel, lane and generation: read the lane again"
        }
        6300 => "the statement has no entry: give at least one",
        6301 => "there are too many entries for one statement: have several signed",
        6302 => "the escrow has no countersigner: settle by vouchers, or ask the owner to name one",
        6303 => {
            "the statement is not signed by the escrow's countersigner for this channel and these entries: have it signed again"
        }
        6304 => "an earlier generation is given for a lane without an entry: leave it out",
        6305 => {
            "a generation that is given as an earlier one is not earlier than the lane's: read the lanes again"
        }
        6340 => "the amount exceeds what of the deposit is not debited: release less",
        6360 => "nothing is unpaid: there is nothing to do",
        6361 => {
            "the payee's token account is missing, frozen, reassigned or wants a memo, or the vault is frozen: mend that first"
        }
        6380 => {
            "the close was requested already: wait for the end of the grace, then close the channel"
        }
        6400 => "the channel was opened less than 150 slots ago: close it a minute later",
        6401 => {
            "only the payee may close the channel now: request the close and wait for the grace"
        }
        6900 => "this needs the escrow owner's signature: sign with that key",
        6901 => "this needs the signature of the escrow's owner or manager: sign with one of them",
        6902 => "an account belongs to another escrow: check the addresses",
        6903 => "the mint is not the escrow's: check the escrow",
        6904 => "the token account is not the escrow's vault: check the escrow",
        6905 => "the rent payer is not the recorded one: read the account again",
        6906 => "the token account is not the payee's associated one: check the payee",
        6907 => {
            "the owner has not approved this payee for the manager: ask the owner to approve it"
        }
        6908 => "the grace is longer than the owner approved for this payee: choose a shorter one",
        6909 => "the amount exceeds the manager's allowance: ask the owner to raise it",
        6910 => "the amount exceeds the escrow's free funds: send USDC to its vault first",
        6911 => "the amount is zero: name a larger one",
        6912 => "the channel is closing: open another one",
        6913 => "there is no lane: name at least one",
        6914 => "there are too many lanes for one instruction: add them in several",
        6915 => "the channel cannot have so many lanes: open another one",
        6916 => "a lane's cap is zero: name a larger one",
        6917 => "a key is not a point of the curve: generate another one",
        6918 => "a key is not canonically encoded: generate another one",
        6919 => "a key has small order, so anyone could sign for it: generate another one",
        6920 => "the token program is not the escrow's: read the escrow again",
        6921 => "this needs the signature of the channel's payee: sign with that key",
        6922 => "this needs the signature of the channel's settler or payee: sign with one of them",
        6923 => {
            "the countersigner is the payee or the settler of a channel: whoever confirms what is owed must not earn it, choose another key"
        }
        6924 => "the channel has no such lane: read the channel again",
        6925 => "the lane is revoked: rotate it once the grace is over",
        6926 => "lanes are not strictly ascending: sort them, each only once",
        6927 => "a debit exceeds its lane's cap: raise the cap first",
        6928 => "the debits exceed the channel's deposit: fund the channel first",
        6950..=6955 => {
            "the program found one of its invariants broken: nothing changed, please report it"
        }
        _ => return None,
    })
}
