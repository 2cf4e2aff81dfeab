//! Unique values: random words for names, random bytes for tokens, free ports.
//!
//! Knows the TLS library's random numbers and this machine's ports. Must not know the use of the values.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex};

use rustls::crypto::aws_lc_rs;

/// Random bytes, from the generator that TLS uses: the kit needs no second generator.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::default_provider().secure_random.fill(&mut bytes).expect("the system's random numbers");
    bytes
}

/// A random word of lower-case letters and digits, fit for the name of a Kubernetes object.
pub fn word(length: usize) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    (0..length).map(|_| char::from(ALPHABET[usize::from(bytes::<1>()[0]) % ALPHABET.len()])).collect()
}

/// A random UUID, version 4.
pub fn uuid() -> String {
    let mut raw = bytes::<16>();
    raw[6] = (raw[6] & 0x0f) | 0x40;
    raw[8] = (raw[8] & 0x3f) | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(raw));
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A port on 127.0.0.1 that was free a moment ago and has not been handed out before by this process.
///
/// The port is below Linux's ephemeral range, from which the source ports of other connections are taken, and the search
/// starts at a random port, so that parallel test binaries rarely collide. In case of a collision, the caller starts again.
pub fn port() -> u16 {
    static HANDED_OUT: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut handed_out = HANDED_OUT.lock().expect("the list of ports");
    for _ in 0..10_000 {
        let candidate = 20_000 + u16::from_le_bytes(bytes()) % 12_000;
        if TcpListener::bind(("127.0.0.1", candidate)).is_ok() && handed_out.insert(candidate) {
            return candidate;
        }
    }
    panic!("no free port between 20000 and 32000 on 127.0.0.1: see `ss -ltn` for the programs that use them");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ() {
        assert_ne!(word(8), word(8));
        assert_ne!(port(), port());
        let uuid = uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.matches('-').count(), 4);
    }
}
