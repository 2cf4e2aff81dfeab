//! The manifests of the documentation, against providers that answer, and refuse, as their documents say.

use std::time::Duration;

use tokensource_kit::lookalikes::Lookalike;
use tokensource_kit::{eventually, manifest};

use crate::story::Story;
use crate::world::repository;

const SERVED: [&str; 6] = ["prisjakt", "pliant", "pliant-sandbox", "v2", "ocrolus", "apiax"];

pub(crate) async fn documents_hold(story: &mut Story) {
    let providers = Lookalike::all(&story.world.authority);
    for provider in &providers {
        provider.set_lifetime(Duration::from_secs(60));
    }
    for file in ["prisjakt", "pliant", "v2", "ocrolus", "apiax"] {
        let mut objects = manifest::load(repository().join(format!("deploy/examples/{file}.yaml")));
        for provider in &providers {
            provider.stand_in(&mut objects);
        }
        manifest::into_namespace(&mut objects, &story.namespace);
        story.world.plane().apply_objects(&objects).await;
    }
    for name in SERVED {
        story.ready(name).await;
    }
    // Renewed at half life, long before the minute is over, and never refused: the requests are as documented.
    eventually("a second token each", Duration::from_secs(45), async || {
        let waiting: Vec<_> = providers.iter().filter(|provider| provider.count() < 2).collect();
        if waiting.is_empty() { Ok(()) } else { Err(format!("{} still wait", waiting.len())) }
    })
    .await;
    for provider in &providers {
        assert_eq!(provider.refusals(), Vec::<String>::new(), "{}", provider.name());
    }
    for name in SERVED {
        let provider = providers.iter().find(|provider| provider.name() == name).unwrap();
        eventually("the newest token in the Secret", Duration::from_secs(10), async || {
            let token = story.value(&format!("{name}-token"), "access_token").await;
            if provider.issued().last() == Some(&token) && provider.accepts(&token) {
                Ok(())
            } else {
                Err(name)
            }
        })
        .await;
    }
}
