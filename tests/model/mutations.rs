//! Every property can fail: without one defence, the search finds a counterexample. Knows which defence each property needs.

use crate::model::{Model, Mutation};
use crate::properties::{self, NO_NEEDLESS_REQUEST, NO_REUSE, NOTHING_LOST, PACE, REST, TRUTH};
use crate::real::Grant;
use crate::search::explore;
use crate::world::{Secret, TokenInputs};

#[test]
fn a_defence_taken_out_is_found() {
    use Grant::{ClientCredentials, Password, RefreshToken};
    let cases = [
        (Mutation::RequestsAtStart, ClientCredentials, 1, NO_NEEDLESS_REQUEST),
        (Mutation::HandlesNoRequest, ClientCredentials, 1, NO_NEEDLESS_REQUEST),
        (Mutation::IgnoresRefusal, ClientCredentials, 1, NO_NEEDLESS_REQUEST),
        (Mutation::ForgetsHeldToken, ClientCredentials, 1, NO_NEEDLESS_REQUEST),
        (Mutation::IgnoresRetryAt, ClientCredentials, 1, PACE),
        (Mutation::IgnoresRetryAt, Password, 1, PACE),
        (Mutation::NeverPauses, ClientCredentials, 1, PACE),
        (Mutation::ForgetsOwnWrites, ClientCredentials, 1, PACE),
        (Mutation::ForgetsUnwrittenStatus, ClientCredentials, 2, PACE),
        (Mutation::ForgetsWhatIsGone, ClientCredentials, 1, PACE),
        (Mutation::OverwritesWhatIsThere, ClientCredentials, 1, NOTHING_LOST),
        (Mutation::DropsRefreshToken, RefreshToken, 0, NO_REUSE),
        (Mutation::StoresRefreshTokenLast, RefreshToken, 1, NO_REUSE),
        (Mutation::ClaimsUnwritten, ClientCredentials, 1, TRUTH),
        (Mutation::NeverWakes, ClientCredentials, 1, REST),
        (Mutation::WakesAtOnce, ClientCredentials, 0, REST),
        (Mutation::Oversleeps, ClientCredentials, 0, REST),
    ];
    for (mutation, grant, disturbances, property) in cases {
        // A search that follows the fair sequences could report that the system does not become stable before it finds the
        // property.
        let rests = property == REST;
        let mut model = Model { mutation: Some(mutation), rests, ..Model::new(grant) };
        match explore(&mut model, disturbances) {
            Ok(visited) => panic!("{mutation:?} passes: {visited}"),
            Err(found) => {
                assert_eq!(found.violation.property, property, "{mutation:?}:\n{found}");
                assert!(!found.trace.is_empty() && found.to_string().contains("1. "), "{mutation:?}");
            }
        }
    }
}

#[test]
fn older_or_expired_token_over_a_good_token_is_a_violation() {
    let mut world = Model::new(Grant::ClientCredentials).start(0);
    let good = Secret {
        uid: 1,
        version: 1,
        ours: true,
        altered: false,
        token: 2,
        token_inputs: TokenInputs { scope: 0, credentials: 1 },
        handled_renew_request: 0,
        issued_at: -60,
        expires_at: 3540,
    };
    world.target = Some(good);
    let told = |written: Secret| properties::target_write(&world, &written).map_err(|found| found.property);
    assert_eq!(told(Secret { token: 3, issued_at: 0, ..good }), Ok(()));
    assert_eq!(told(Secret { token: 1, ..good }), Err(NOTHING_LOST));
    assert_eq!(told(Secret { token: 3, expires_at: 0, ..good }), Err(NOTHING_LOST));
}
