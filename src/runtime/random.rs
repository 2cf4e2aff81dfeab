//! The only place that draws random numbers.

use std::fmt::Write as _;

/// 128 random bits in hexadecimal, so practically unique. None if the system has no random numbers.
pub fn nonce() -> Option<String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
