//! The tour: what was applied, the first tokens, the file in a pod, a kill -9, a renewal, a failure with its explanation.
//!
//! Knows the steps and their order. Each step is checked: if a step does not happen, the demo fails and names the step.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::table::{self, Row};
use crate::volume::{Volume, summary};
use crate::{Demo, HERO, LIFETIME, NAMESPACE, failure, shown};

/// The rows that must be Ready.
const SERVED: [&str; 6] = ["apiax", "ocrolus", "pliant", "pliant-sandbox", "prisjakt", "v2"];
/// The pause between two progress lines.
const REPORT: Duration = Duration::from_secs(5);

/// Runs the tour and returns the volume for the live table.
pub(crate) async fn run(demo: &Demo) -> Result<Volume, ExitCode> {
    match tell(demo).await {
        Ok(volume) => {
            println!(
                "\ndemo: every served example has a token, each was renewed before it expired, and a failure was"
            );
            println!("explained and repaired; after {:.0} s", demo.started.elapsed().as_secs_f64());
            Ok(volume)
        }
        Err(problem) => {
            println!(
                "\n{}\ndemo failed: {problem}\ncontroller's log ends:\n{}",
                table::draw(demo).await,
                demo.controller.process().tail(20)
            );
            Err(ExitCode::FAILURE)
        }
    }
}

async fn tell(demo: &Demo) -> Result<Volume, String> {
    chapter(demo, "What was applied");
    println!(
        "deploy/examples/ocrolus.yaml, and four more like it. The demo has put a look-alike provider on this machine in"
    );
    println!("the place of the documented provider, and the look-alike's credentials into the Secret:");
    println!("\n{}", indented(&shown::yaml(&demo.hero)));

    chapter(demo, "First tokens");
    await_rows(demo, "a token for each", Duration::from_secs(60), SERVED.len(), |row| row.ready == "True")
        .await?;
    println!("\n{}", table::draw(demo).await);

    chapter(demo, "The file that a pod reads");
    let volume = Volume::new(demo.plane.admin(), NAMESPACE, &format!("{HERO}-token")).await?;
    println!(
        "A pod mounts Secret ocrolus-token and reads a file (deploy/examples/pod.yaml). This machine has no node, so the"
    );
    println!(
        "demo does the kubelet's part: it lays the Secret out in a directory, as in a volume. The pod would see:"
    );
    println!("\n{}", volume.listing());
    println!("The provider's API answers {} to the token in that file.", demo.fetch(&volume).await?);

    chapter(demo, "A crash");
    crash(demo).await?;

    chapter(demo, "A renewal");
    renewal(demo, &volume).await?;
    if let Some(refusal) = demo.providers.iter().find_map(|provider| provider.refusals().first().cloned()) {
        return Err(format!("a provider refused a request: {refusal}"));
    }

    chapter(demo, "A failure, explained");
    failure::show(demo, &volume).await?;
    volume.refresh().await?;
    println!("The file has the new token, and the API answers {} to it.", demo.fetch(&volume).await?);
    Ok(volume)
}

async fn crash(demo: &Demo) -> Result<(), String> {
    let before = requests(demo);
    demo.controller.kill9();
    demo.controller.restart().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = requests(demo);
    if before != after {
        return Err(format!("a kill -9 and restart asked the providers: {before:?} became {after:?}"));
    }
    println!("The controller was killed with SIGKILL and started again. It asked the providers for nothing.");
    Ok(())
}

async fn renewal(demo: &Demo, volume: &Volume) -> Result<(), String> {
    let first: Vec<_> = table::rows(demo).await.into_iter().map(|row| (row.name, row.expires_at)).collect();
    let later = |row: &Row| {
        let known = first.iter().find(|(name, _)| *name == row.name);
        row.ready == "True" && known.is_some_and(|(_, expires_at)| row.expires_at > *expires_at)
    };
    let old = volume.token();
    await_rows(demo, "a renewal of each before it expires", LIFETIME, SERVED.len(), later).await?;
    println!("\n{}", table::draw(demo).await);
    volume.refresh().await?;
    if volume.token() == old {
        return Err("the token was renewed, and the file is still the old one".into());
    }
    println!("The file held {}, and now, with no restart of the pod:", summary(&old));
    println!("\n{}", volume.listing());
    println!("The provider's API answers {} to the new token.", demo.fetch(volume).await?);
    Ok(())
}

/// Waits until `wanted` is true for this number of served rows, with a progress line every 5 s. Meanwhile no row may lose
/// Ready, and no token may expire.
pub(crate) async fn await_rows(
    demo: &Demo,
    what: &str,
    patience: Duration,
    count: usize,
    wanted: impl Fn(&Row) -> bool,
) -> Result<(), String> {
    let start = Instant::now();
    let mut reported = start;
    let mut was_ready: Vec<String> = Vec::new();
    loop {
        let mut rows = table::rows(demo).await;
        rows.retain(|row| SERVED.contains(&row.name.as_str()));
        for row in &rows {
            let expired = row.expires_at.is_some_and(|at| at < Utc::now());
            if was_ready.contains(&row.name) && (row.ready != "True" || expired) {
                return Err(format!("{} in namespace {NAMESPACE} lost its token on the way", row.name));
            }
            if row.ready == "True" && !was_ready.contains(&row.name) {
                was_ready.push(row.name.clone());
            }
        }
        let reached = rows.iter().filter(|row| wanted(row)).count();
        let elapsed = start.elapsed();
        if reached == count {
            println!("{what}: after {:.1} s", elapsed.as_secs_f64());
            return Ok(());
        }
        if elapsed > patience {
            return Err(format!("waited {patience:?} for {what}: {reached} of {count}"));
        }
        if reported.elapsed() > REPORT {
            reported = Instant::now();
            println!("waiting for {what}: {} s, {reached} of {count}", elapsed.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The heading of a step, with the time since the demo started.
fn chapter(demo: &Demo, title: &str) {
    println!("\n== {title} [{:.0} s] ==\n", demo.started.elapsed().as_secs_f64());
}

/// The string, indented to distinguish it from the demo's own lines.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect()
}

fn requests(demo: &Demo) -> Vec<(&'static str, usize)> {
    demo.providers.iter().map(|provider| (provider.name(), provider.count())).collect()
}
