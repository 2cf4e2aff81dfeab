//! Jitter, derived from the uid of an object and not drawn at random: a new random delay at each reconcile could postpone a
//! renewal forever, and an instant written into the status must still be right after a restart.

use sha2::{Digest, Sha256};

/// A number in [0, 1) that depends only on the uid and the salt, evenly distributed over uids.
pub(super) fn jitter(uid: &str, salt: u32) -> f64 {
    let digest = Sha256::new().chain_update(uid).chain_update(salt.to_be_bytes()).finalize();
    let head = digest.iter().take(4).fold(0_u32, |head, byte| (head << 8) | u32::from(*byte));
    f64::from(head) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_evenly_distributed_over_uids_and_constant_for_each() {
        let values: Vec<f64> = (0..1000).map(|n| jitter(&format!("uid-{n}"), 0)).collect();
        assert!(values.iter().all(|value| (0.0..1.0).contains(value)));
        for tenth in 0..10 {
            let from = f64::from(tenth) / 10.0;
            let count = values.iter().filter(|value| (from..from + 0.1).contains(value)).count();
            assert!((60..=140).contains(&count), "{count} of 1000 in the tenth from {from}");
        }
        assert_eq!(jitter("uid-1", 3).to_bits(), jitter("uid-1", 3).to_bits());
    }
}
