//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};

/// A TCP port of 127.0.0.1 on which nothing listens at this moment.
///
/// Another process may take it before it is used, so whoever starts a server on it looks for "address already in use"
/// and tries again with another one.
///
/// # Errors
///
/// When the machine has no free port or no loopback address.
pub fn free() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Different free ports, all of them held until the last one is found.
///
/// # Errors
///
/// As [`free`].
pub fn free_set<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut held = Vec::with_capacity(N);
    let mut found = [0; N];
    for port in &mut found {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(found)
}

/// Whether a server's log says that another process took its port.
pub fn taken(log: &str) -> bool {
    log.to_ascii_lowercase().contains("address already in use")
}
