//! Namespaces of the kernel, in which a test may change mounts, network and settings without changing those of the machine:
//! the program starts itself again in these namespaces. When that program ends, for any reason, its processes, mounts,
//! interfaces and packet filters are removed.
//!
//! Knows namespaces and cgroups; needs root. Must not know what is run inside. The program outside removes what the kernel
//! leaves (cgroups without processes, an empty directory). If that program was killed, the next run removes it.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

/// The prefix of the names of a directory in the temporary directory and of a cgroup in each hierarchy. The rest of the name
/// is the process id of the program outside.
const PREFIX: &str = "tokensource-enclosure-";

/// The kernel's settings that a kubelet would change for the whole machine, with the values that it requires. Inside the
/// enclosure, the kubelet reads these values.
const KUBELETS_SETTINGS: [(&str, &str); 5] = [
    ("vm/overcommit_memory", "1"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// The namespaces and the cgroups, for the code that runs in them.
pub struct Enclosure {
    directory: PathBuf,
    cgroup: String,
}

/// Runs this program again, inside, with these arguments, followed by the directory and the cgroup of
/// [`Enclosure::furnish`]. Returns when the program inside has ended, or ends that program when this process receives SIGINT
/// or SIGTERM. Must be called on the main thread, because the program inside ends with the thread that started it.
pub async fn run(arguments: &[&str]) -> ExitCode {
    let temporary = std::env::temp_dir();
    sweep(&temporary);
    let name = format!("{PREFIX}{}", std::process::id());
    let directory = temporary.join(&name);
    fs::create_dir(&directory).unwrap_or_else(|error| panic!("creating {}: {error}", directory.display()));
    create_cgroups(&name);
    let mut child = enter(arguments, &directory, &name);
    let code = ended(&mut child).await;
    // The first process inside has ended, so all have.
    remove_cgroups(&name);
    let _ = fs::remove_dir(&directory);
    code
}

fn enter(arguments: &[&str], directory: &Path, cgroup: &str) -> Child {
    let program = std::env::current_exe().expect("the path of this program");
    Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
        ])
        .args(["--kill-child=KILL", "--mount-proc", "--propagation=private", "--"])
        .arg(program)
        .args(arguments)
        .arg(directory)
        .arg(cgroup)
        .env("TMPDIR", directory)
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("starting setpriv and unshare (apt-get install util-linux): {error}"))
}

/// Waits until the child ends, or ends the child at SIGINT or SIGTERM. Returns the exit code.
async fn ended(child: &mut Child) -> ExitCode {
    let mut interrupt = signal(SignalKind::interrupt()).expect("a handler of SIGINT");
    let mut terminate = signal(SignalKind::terminate()).expect("a handler of SIGTERM");
    loop {
        if let Some(status) = child.try_wait().expect("asking for an exit status") {
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
            return ExitCode::from(u8::try_from(code).unwrap_or(1));
        }
        let number = tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
            () = tokio::time::sleep(Duration::from_millis(100)) => continue,
        };
        eprintln!("received a signal; ending the program inside");
        let _ = child.kill();
        let _ = child.wait();
        return ExitCode::from(128 + number);
    }
}

impl Enclosure {
    /// Makes the machine's directories private, and creates a network without a way out. The network has a single address, where a
    /// DNS server may listen. The program inside must call this function first, with the two arguments that [`run`] has added.
    pub fn furnish(directory: &str, cgroup: &str, address: Ipv4Addr) -> Self {
        assert_eq!(std::process::id(), 1, "only `enclosure::run` may start this program with `{directory}`");
        let enclosure = Self { directory: directory.into(), cgroup: cgroup.to_owned() };
        let size = "size=4g,mode=0755";
        command("mount", ["-t", "tmpfs", "-o", size, "tmpfs", directory]);
        command("mount", ["-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run"]);
        for name in ["etc", "var"] {
            enclosure.cover(name);
        }
        for (name, value) in KUBELETS_SETTINGS {
            let path =
                enclosure.write(&format!("settings/{}", name.replace('/', ".")), &format!("{value}\n"));
            let setting = format!("/proc/sys/{name}");
            if Path::new(&setting).exists() {
                command("mount", [OsStr::new("--bind"), path.as_os_str(), OsStr::new(&setting)]);
            }
        }
        for (path, text) in [
            ("/etc/resolv.conf", format!("nameserver {address}\n")),
            ("/etc/hosts", "127.0.0.1 localhost\n".to_owned()),
        ] {
            // The file may be a link, or a mount of its own.
            let _ = Command::new("umount").arg(path).stderr(Stdio::null()).status();
            let _ = fs::remove_file(path);
            fs::write(path, text).unwrap_or_else(|error| panic!("writing {path}: {error}"));
        }
        command("ip", ["link", "set", "lo", "up"]);
        command("ip", ["address", "add", &format!("{address}/32"), "dev", "lo"]);
        enclosure
    }

    /// A directory in memory that is removed with the enclosure; temporary files are in this directory, too.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A cgroup of our own in each hierarchy, by its path there.
    pub fn cgroup(&self) -> String {
        format!("/{}", self.cgroup)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .unwrap_or_else(|error| panic!("writing {}: {error}", path.display()));
        path
    }

    /// From now on, files that are written to this directory of the machine are stored in the enclosure's directory.
    fn cover(&self, name: &str) {
        let (upper, work) =
            (self.directory.join(format!("over/{name}")), self.directory.join(format!("work/{name}")));
        for directory in [&upper, &work] {
            fs::create_dir_all(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        }
        let options = format!("lowerdir=/{name},upperdir={},workdir={}", upper.display(), work.display());
        command("mount", ["-t", "overlay", "-o", &options, "overlay", &format!("/{name}")]);
    }
}

/// Runs a program that has nothing to say unless it fails.
fn command<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) {
    let mut command = Command::new(program);
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {said}", output.status);
}

/// Where the hierarchies of cgroups are mounted: several hierarchies with version 1, a single hierarchy with version 2.
fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("the list of mounts");
    let mut found: Vec<PathBuf> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (place, kind) = (words.next()?, words.next()?);
            kind.starts_with("cgroup").then(|| place.into())
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

fn create_cgroups(name: &str) {
    for hierarchy in hierarchies() {
        // With version 2 a group has only the controllers that its parent group enables.
        let controllers = fs::read_to_string(hierarchy.join("cgroup.controllers")).unwrap_or_default();
        for controller in controllers.split_whitespace() {
            let _ = fs::write(hierarchy.join("cgroup.subtree_control"), format!("+{controller}"));
        }
        let group = hierarchy.join(name);
        fs::create_dir(&group).unwrap_or_else(|error| panic!("creating {}: {error}", group.display()));
    }
}

fn remove_cgroups(name: &str) {
    let start = Instant::now();
    for group in hierarchies().iter().map(|hierarchy| hierarchy.join(name)) {
        // The kernel may need a moment for processes that it has just killed.
        while group.exists() && !remove(&group) {
            if start.elapsed() > Duration::from_secs(10) {
                eprintln!("{} is still in use; the next run removes it", group.display());
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Removes a cgroup and those below, as far as they are empty.
fn remove(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    fs::remove_dir(group).is_ok()
}

/// Removes the empty cgroups and the empty directory of each run that was killed.
fn sweep(temporary: &Path) {
    let mut names: Vec<String> = Vec::new();
    for place in hierarchies().iter().map(PathBuf::as_path).chain([temporary]) {
        for entry in fs::read_dir(place).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let owner = name.strip_prefix(PREFIX);
            if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
                names.push(name);
            }
        }
    }
    for name in names {
        remove_cgroups(&name);
        let _ = fs::remove_dir(temporary.join(name));
    }
}
