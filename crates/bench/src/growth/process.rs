//! Memory of this process, as reported by the operating system.

use std::io;

/// Memory of this process in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Peak resident memory so far.
    pub(super) peak: u64,
    /// Resident memory now.
    pub(super) resident: u64,
}

/// Reads the memory of this process.
///
/// # Errors
/// If `/proc` is not available.
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
