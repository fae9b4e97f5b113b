use harmonix_ipc::{Error, ErrorKind, JobId, Result};

/// Digits of a job id: Crockford's base 32, lower case; no i, l, o, u.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 2026-01-01T00:00:00Z, from which the seconds in an id count.
const EPOCH: u64 = 1_767_225_600;

/// A new id: twelve digits, 30 bits of seconds (34 years), then 30 random ones. Ids sort by second of submission.
pub fn new_id() -> Result<JobId> {
    let random = getrandom::u32().map_err(|error| {
        Error::new(ErrorKind::Internal, "the kernel gives no random numbers").cause(error)
    })?;
    let seconds = (super::now() as u64).saturating_sub(EPOCH) & 0x3FFF_FFFF;
    let bits = (seconds << 30) | u64::from(random >> 2);
    let digits = (0..12).rev().map(|place| char::from(DIGITS[(bits >> (place * 5)) as usize & 31]));
    Ok(JobId(digits.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_safe_file_names_and_differ() {
        let ids: std::collections::BTreeSet<_> = (0..200).map(|_| new_id().unwrap()).collect();
        assert_eq!(ids.len(), 200);
        assert!(ids.iter().all(|id| id.0.len() == 12 && id.0.bytes().all(|b| DIGITS.contains(&b))));
    }
}
