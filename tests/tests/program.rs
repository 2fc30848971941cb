//! The program as bytecode, instruction by instruction: every guard with its exact error first, then what
//! the instruction does. Errors that Anchor raises by itself are asserted by its numbers.

mod program {
    mod add_lanes;
    mod approve_payee;
    mod close_channel;
    mod close_escrow;
    mod codes;
    mod conservation;
    mod create_escrow;
    mod density;
    mod fund_channel;
    mod open_channel;
    mod request_close;
    mod revoke_payee;
    mod set_manager;
    mod settle;
    mod unpaid;
    mod withdraw;
}
