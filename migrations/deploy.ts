// What `anchor migrate` runs after a deployment: it looks at what is on the cluster and changes nothing.
//
// The program needs no setup of its own, since nobody has a privilege in it. What a user of a cluster should know
// is whether the program is there, and who could replace it: no upgrade authority, or whose.

import * as anchor from "@anchor-lang/core";

const PROGRAM = new anchor.web3.PublicKey("FaryyW2ua5w5F7G57DtiGqm6SKEpdTbZPwBErDpgmZFw");
const UPGRADEABLE_LOADER = new anchor.web3.PublicKey("BPFLoaderUpgradeab1e11111111111111111111111");

// Layouts of the upgradeable loader's accounts: a u32 that tells which, then
//   Program: the address of the program data;
//   ProgramData: u64 slot, u8 whether there is an upgrade authority, the authority.
const PROGRAM_STATE = 2;
const PROGRAM_DATA_STATE = 3;

async function readLoaderAccount(
  connection: anchor.web3.Connection,
  address: anchor.web3.PublicKey,
  state: number,
  minimumLength: number,
): Promise<Buffer> {
  const account = await connection.getAccountInfo(address);
  if (account === null) {
    throw new Error(`${address.toBase58()} does not exist on this cluster: deploy the program first`);
  }
  if (!account.owner.equals(UPGRADEABLE_LOADER)) {
    throw new Error(`${address.toBase58()} does not belong to the upgradeable loader`);
  }
  if (account.data.length < minimumLength || account.data.readUInt32LE(0) !== state) {
    throw new Error(`${address.toBase58()} is not what the upgradeable loader should have there`);
  }
  if (state === PROGRAM_STATE && !account.executable) {
    throw new Error(`${address.toBase58()} is not executable`);
  }
  return account.data;
}

async function report(connection: anchor.web3.Connection): Promise<void> {
  const program = await readLoaderAccount(connection, PROGRAM, PROGRAM_STATE, 36);
  const programData = new anchor.web3.PublicKey(program.subarray(4, 36));
  const data = await readLoaderAccount(connection, programData, PROGRAM_DATA_STATE, 45);

  console.log(`program            ${PROGRAM.toBase58()}`);
  console.log(`deployed in slot   ${data.readBigUInt64LE(4)}`);
  const authority = data[12] === 1 ? new anchor.web3.PublicKey(data.subarray(13, 45)).toBase58() : "none";
  console.log(`upgrade authority  ${authority}`);
}

// The script that calls this one does not wait for it, so a failure must set the exit status here.
module.exports = async function (provider: anchor.AnchorProvider): Promise<void> {
  try {
    await report(provider.connection);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
};
