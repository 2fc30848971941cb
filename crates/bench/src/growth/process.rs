//! What the system says of this process.

use std::io;

/// Memory of this process in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// The most so far.
    pub(super) peak: u64,
    /// Now.
    pub(super) resident: u64,
}

/// Asks the system.
///
/// # Errors
/// Where there is no `/proc`.
pub(super) fn memory() -> io::Result<Memory> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let bytes = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let missing = || io::Error::other(format!("/proc/self/status has no {field}"));
        Ok::<_, io::Error>(kilobytes.ok_or_else(missing)? * 1_024)
    };
    Ok(Memory {
        peak: bytes("VmHWM:")?,
        resident: bytes("VmRSS:")?,
    })
}
