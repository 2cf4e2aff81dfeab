//! The bounded round for machines without a terminal: first tokens, a renewal of each before expiry, a kill -9 that
//! asks providers for nothing. Says what happened, and fails if anything is missing.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::table::{self, Row};
use crate::{Demo, LIFETIME, NAMESPACE};

/// The rows that must be Ready.
const SERVED: [&str; 6] = ["apiax", "ocrolus", "pliant", "pliant-sandbox", "prisjakt", "v2"];

pub(crate) async fn run(demo: &Demo) -> ExitCode {
    match tell(demo).await {
        Ok(()) => {
            println!("\ndemo: every served example has a token, and each was renewed before it expired");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!(
                "\n{}\ndemo failed: {problem}\ncontroller's log ends:\n{}",
                table::draw(demo).await,
                log_end(demo)
            );
            ExitCode::FAILURE
        }
    }
}

async fn tell(demo: &Demo) -> Result<(), String> {
    reach(demo, "a token for each", Duration::from_secs(60), |row| row.ready == "True").await?;
    println!("\n{}", table::draw(demo).await);

    let before = requests(demo);
    demo.controller.kill9();
    demo.controller.restart().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = requests(demo);
    if before != after {
        return Err(format!("a kill -9 and restart asked the providers: {before:?} became {after:?}"));
    }
    println!("kill -9 and restart: the providers were asked for nothing");

    let first: Vec<_> = table::rows(demo).await.into_iter().map(|row| (row.name, row.expires_at)).collect();
    let later = |row: &Row| {
        let known = first.iter().find(|(name, _)| *name == row.name);
        row.ready == "True" && known.is_some_and(|(_, expires_at)| row.expires_at > *expires_at)
    };
    reach(demo, "a renewal of each before expiry", LIFETIME, later).await?;
    println!("\n{}", table::draw(demo).await);
    for provider in demo.providers.iter().filter(|provider| SERVED.contains(&provider.name())) {
        if let Some(refusal) = provider.refusals().first() {
            return Err(format!("{} refused a request: {refusal}", provider.name()));
        }
    }
    Ok(())
}

/// Waits until all served rows are so. On the way no row may fall back from Ready.
async fn reach(
    demo: &Demo,
    what: &str,
    patience: Duration,
    wanted: impl Fn(&Row) -> bool,
) -> Result<(), String> {
    let start = Instant::now();
    let mut was_ready: Vec<String> = Vec::new();
    loop {
        let rows = table::rows(demo).await;
        for row in rows.iter().filter(|row| SERVED.contains(&row.name.as_str())) {
            let expired = row.expires_at.is_some_and(|at| at < Utc::now());
            if was_ready.contains(&row.name) && (row.ready != "True" || expired) {
                return Err(format!("{} in namespace {NAMESPACE} lost its token on the way", row.name));
            }
            if row.ready == "True" && !was_ready.contains(&row.name) {
                was_ready.push(row.name.clone());
            }
        }
        let reached = rows.iter().filter(|row| SERVED.contains(&row.name.as_str()) && wanted(row)).count();
        if reached == SERVED.len() {
            println!("{what}: after {:.1} s", start.elapsed().as_secs_f64());
            return Ok(());
        }
        if start.elapsed() > patience {
            return Err(format!("waited {patience:?} for {what}: {reached} of {}", SERVED.len()));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn requests(demo: &Demo) -> Vec<(&'static str, usize)> {
    demo.providers.iter().map(|provider| (provider.name(), provider.count())).collect()
}

fn log_end(demo: &Demo) -> String {
    let log = demo.controller.logs();
    let lines: Vec<_> = log.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(20)).copied().collect::<Vec<_>>().join("\n")
}
