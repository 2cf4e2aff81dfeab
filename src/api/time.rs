//! Conversion between the time type of this program (chrono) and the time type of k8s-openapi (jiff), and to text.
//!
//! Every conversion drops fractions of a second: Kubernetes serialises whole seconds, and a status with fractions would
//! never equal the status that is read back.

use chrono::{DateTime, SecondsFormat, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

/// A Kubernetes time, truncated to whole seconds. Times outside jiff's range become its last instant, in the year 9999.
pub fn to_kubernetes(time: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MAX))
}

/// A Kubernetes time as a chrono time, truncated to whole seconds.
pub fn from_kubernetes(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// RFC 3339 in UTC, whole seconds: `2026-01-01T00:00:00Z`.
pub fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
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
