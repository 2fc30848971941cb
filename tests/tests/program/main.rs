//! Tests of the program's bytecode, instruction by instruction: first every guard with its exact error, then the
//! effect of the instruction. Errors that Anchor raises itself are asserted by their numbers.

mod add_lanes;
mod approve_payee;
mod close_channel;
mod close_escrow;
mod codes;
mod create_escrow;
mod custody;
mod density;
mod events;
mod fund_channel;
mod idl;
mod incarnations;
mod invariants;
mod layouts;
mod model;
mod open_channel;
mod pay_out;
mod raise_cap;
mod release;
mod request_close;
mod rescue;
mod revoke_lane;
mod revoke_payee;
mod rotate_lane;
mod security_page;
mod security_txt;
mod set_countersigner;
mod set_manager;
mod set_settler;
mod settle;
mod settle_statement;
mod signatures;
mod substitutes;
mod unpaid;
mod withdraw;
