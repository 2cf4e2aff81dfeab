//! A child process: its output is written into a log file. The process is ended by its pid when its value is dropped, and by the
//! kernel if the test is killed.
//!
//! Knows processes and signals; must not know which program runs or when that program is ready. Children are started through
//! `setpriv --pdeathsig KILL`, which ends them with the *thread* that started them. So one thread, which runs as long as the test
//! process, starts all children: callers may be on any thread or runtime.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard, mpsc};
use std::time::{Duration, Instant};

pub use nix::sys::signal::Signal;
use nix::unistd::Pid;

/// A program to run, and the file for its output.
#[derive(Clone, Debug)]
pub struct Program {
    /// The name in messages.
    pub name: String,
    /// The executable.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables set on top of the test's own environment.
    pub environment: Vec<(String, String)>,
    /// Its working directory.
    pub directory: PathBuf,
    /// The file for stdout and stderr; restarts append.
    pub log: PathBuf,
}

impl Program {
    /// A program that runs in this directory, writes its log there, and has the test's own environment.
    pub fn new(directory: &Path, name: &str, binary: impl Into<PathBuf>, arguments: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            binary: binary.into(),
            arguments,
            environment: Vec::new(),
            directory: directory.to_owned(),
            log: directory.join(format!("{name}.log")),
        }
    }
}

/// A [`Program`] that was started. All methods take `&self`, because several stories share a control plane, and each of
/// them may stop and start the programs of that control plane.
pub struct Process {
    program: Program,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts the program; panics if it cannot be executed at all.
    pub fn start(program: Program) -> Self {
        let process = Self { program, child: Mutex::default() };
        process.start_again();
        process
    }

    /// Starts the program once more, with the same arguments, after it has ended.
    pub fn start_again(&self) {
        let mut child = self.child();
        assert!(!is_alive(&mut child), "{} is running already", self.program.name);
        *child = Some(launch(&self.program).unwrap_or_else(|error| {
            panic!("starting {} ({}): {error}", self.program.name, self.program.binary.display())
        }));
    }

    /// The process id, as long as the process runs.
    pub fn pid(&self) -> Option<u32> {
        let mut child = self.child();
        is_alive(&mut child).then(|| child.as_ref().map(Child::id)).flatten()
    }

    /// A value of the kernel about the process's memory in KiB: `VmRSS` (now), `VmHWM` (the maximum so far), `RssFile` …
    pub fn memory(&self, figure: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        is_alive(&mut self.child())
    }

    /// How the process ended; `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().as_mut().and_then(|child| child.try_wait().expect("asking for an exit status"))
    }

    /// Sends a signal, for example `SIGSTOP` to make the process hang with its connections open.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let pid = Pid::from_raw(i32::try_from(pid).expect("a pid is an i32"));
            nix::sys::signal::kill(pid, signal)
                .unwrap_or_else(|error| panic!("sending {signal} to {} ({pid}): {error}", self.program.name));
        }
    }

    /// Ends the process immediately, as a crash or a power cut would.
    pub fn kill9(&self) {
        if let Some(child) = self.child().as_mut() {
            // An error here means that the process has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks the process to end (SIGTERM) and returns how it ended. If it has not ended at the deadline, kills it and panics.
    pub async fn terminate(&self, patience: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.exited(patience).await
    }

    /// Waits until the process ends by itself. If it has not ended at the deadline, kills it and panics.
    pub async fn exited(&self, patience: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            if start.elapsed() > patience {
                self.kill9();
                panic!(
                    "{} had not ended after {patience:?}. Its log ends:\n{}",
                    self.program.name,
                    self.tail(20)
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The log file.
    pub fn log(&self) -> &Path {
        &self.program.log
    }

    /// Everything the process has written so far.
    pub fn logs(&self) -> String {
        std::fs::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of the log, for messages.
    pub fn tail(&self, lines: usize) -> String {
        let logs = self.logs();
        let all: Vec<&str> = logs.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // A panic in one story must not end the control plane of the others.
        self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

fn is_alive(child: &mut Option<Child>) -> bool {
    child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
}

fn launch(program: &Program) -> io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).open(&program.log)?;
    spawn(command(program, log)?)
}

fn command(program: &Program, log: File) -> io::Result<Command> {
    let mut command = if *DIES_WITH_ITS_PARENT {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&program.binary);
        command
    } else {
        Command::new(&program.binary)
    };
    command
        .args(&program.arguments)
        .envs(program.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&program.directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // The child has a process group of its own, because Ctrl-C must reach only the test, which then ends its children.
        .process_group(0);
    Ok(command)
}

/// Whether util-linux's `setpriv` is installed and knows the option. Without it, children of a killed test survive.
static DIES_WITH_ITS_PARENT: LazyLock<bool> = LazyLock::new(|| {
    let mut probe = Command::new("setpriv");
    probe.args(["--pdeathsig", "KILL", "--", "true"]).stdin(Stdio::null());
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
});

fn spawn(command: Command) -> io::Result<Child> {
    type Order = (Command, mpsc::Sender<io::Result<Child>>);
    static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        let spawner = move || {
            for (mut command, answer) in inbox {
                let _ = answer.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("spawner".into()).spawn(spawner).expect("the spawner thread");
        Mutex::new(orders)
    });
    let (answer, outcome) = mpsc::channel();
    SPAWNER.lock().expect("the spawner").send((command, answer)).expect("the spawner thread never ends");
    outcome.recv().expect("the spawner thread never ends")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(directory: &tempfile::TempDir, script: &str) -> Process {
        Process::start(Program {
            name: "a shell".into(),
            binary: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("GREETING".into(), "hello".into())],
            directory: directory.path().to_owned(),
            log: directory.path().join("shell.log"),
        })
    }

    #[tokio::test]
    async fn writes_its_log_and_returns_its_status() {
        let directory = tempfile::tempdir().unwrap();
        let process = shell(&directory, "echo $GREETING; echo trouble >&2; exit 3");
        assert_eq!(process.exited(Duration::from_secs(5)).await.code(), Some(3));
        assert_eq!(process.logs(), "hello\ntrouble\n");
        process.start_again();
        process.exited(Duration::from_secs(5)).await;
        assert_eq!(process.tail(3), "trouble\nhello\ntrouble");
    }

    #[tokio::test]
    async fn terminates_kills_and_is_killed_on_drop() {
        let directory = tempfile::tempdir().unwrap();
        let process = shell(&directory, "trap 'exit 7' TERM; while :; do sleep 0.05; done");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(process.terminate(Duration::from_secs(5)).await.code(), Some(7));

        process.start_again();
        let pid = process.pid().expect("it runs");
        process.kill9();
        assert!(!process.is_running());
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the child is reaped");

        process.start_again();
        let pid = process.pid().expect("it runs");
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "dropping ends the child");
    }

    #[test]
    fn outlives_the_thread_that_asked_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let process = std::thread::scope(|scope| {
            scope.spawn(|| shell(&directory, "sleep 30")).join().expect("the thread")
        });
        std::thread::sleep(Duration::from_millis(200));
        assert!(process.is_running());
    }

    #[test]
    fn memory_is_known_while_the_process_runs() {
        let directory = tempfile::tempdir().unwrap();
        let process = shell(&directory, "sleep 30");
        // Figures of different moments cannot be compared, and a program has no page of its file in memory when it starts.
        let start = Instant::now();
        let is_known = |figure| process.memory(figure).is_some_and(|size| size > 0);
        while !["VmHWM", "VmRSS", "RssFile"].into_iter().all(is_known) {
            assert!(start.elapsed() < Duration::from_secs(10), "no figures");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(process.memory("VmR"), None, "the whole name counts");
        process.kill9();
        assert_eq!(process.memory("VmRSS"), None);
    }
}
