//! The one place that draws random numbers.

use std::fmt::Write as _;

/// 128 bits as hexadecimal: two of them are never the same. None where the system has no random numbers to give.
pub fn nonce() -> Option<String> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}
