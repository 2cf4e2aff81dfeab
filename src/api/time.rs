//! Conversion between the time type of this program (chrono) and that of k8s-openapi (jiff).
//!
//! Both directions drop fractions of a second: Kubernetes serialises whole seconds, and a status with fractions would
//! never equal the status that is read back.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// A Kubernetes time, truncated to whole seconds. Times after jiff's range (year 9999) become its last instant.
pub fn to_kubernetes(time: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MAX))
}

/// The same instant as a chrono time, truncated to whole seconds.
pub fn from_kubernetes(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversion_there_and_back_keeps_whole_seconds() {
        let fine = DateTime::from_timestamp(1_767_225_600, 987_654_321).unwrap();
        let there_and_back = from_kubernetes(&to_kubernetes(fine));
        assert_eq!(there_and_back, DateTime::from_timestamp(1_767_225_600, 0).unwrap());
    }
}
