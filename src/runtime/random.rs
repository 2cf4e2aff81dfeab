//! Draws the random numbers of the program. Libraries draw their own, for example for signatures and TLS.

use crate::decide::hex;

/// 128 random bits in hexadecimal, so practically unique. None if the system has no random numbers.
pub fn nonce() -> Option<String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(hex(&bytes))
}
