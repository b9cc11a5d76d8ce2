//! Free loopback ports.

use std::net::{Ipv4Addr, TcpListener};

/// Returns a free TCP port of 127.0.0.1.
///
/// Another process may take it before its use. A caller that starts a server on it must check for "address already in
/// use" and try again with another port.
///
/// # Errors
///
/// When the machine has no free port or no loopback address.
pub fn free() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Returns distinct free ports, and holds all of them until it has found the last one.
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

/// Returns whether a server's log reports that another process took its port.
pub fn taken(log: &str) -> bool {
    log.to_ascii_lowercase().contains("address already in use")
}
