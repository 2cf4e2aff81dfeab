//! A mounted Secret, as the kubelet lays it out and replaces it.
//!
//! Knows the layout and the order of steps of Kubernetes' `AtomicWriter` (`pkg/volume/util/atomic_writer.go`): each
//! version in a directory of its own, `..data` a link to the present version, replaced by a rename, and each file's name a link
//! into `..data`. Must not know the content of the files, or their readers.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use chrono::Utc;
use tempfile::TempDir;

/// The link to the present version.
const DATA: &str = "..data";

/// A directory like the directory of a Secret's volume. Dropping this value deletes the directory.
pub struct Mount {
    directory: TempDir,
}

impl Mount {
    /// A volume with these files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let mount = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        mount.replace(files);
        mount
    }

    /// The path of the volume, where a container mounts it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The path of a file in the volume, as a container sees it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Replaces all files in one step. The links of files that the new version does not have are removed afterwards.
    pub fn replace(&self, files: &[(&str, &str)]) {
        let before = fs::read_link(self.path(DATA)).ok();
        let version = self.version(files);
        let prepared = self.path("..data_tmp");
        symlink(version.file_name().expect("we named it"), &prepared).expect("a link in our own directory");
        // The moment of the change: before, a file's name leads to the old version, and afterwards to the new version.
        fs::rename(&prepared, self.path(DATA)).expect("renaming our own link");
        let names: BTreeSet<&str> = files.iter().map(|(name, _)| *name).collect();
        for name in &names {
            let link = self.path(name);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new(DATA).join(name), link).expect("a link in our own directory");
            }
        }
        for old in before.iter().map(|directory| self.directory.path().join(directory)) {
            for entry in fs::read_dir(&old).expect("the version before") {
                let name = entry.expect("an entry").file_name();
                if !name.to_str().is_some_and(|name| names.contains(name)) {
                    fs::remove_file(self.directory.path().join(name)).expect("our own link");
                }
            }
            fs::remove_dir_all(old).expect("the version before");
        }
    }

    /// A directory with these files and a name that no earlier version had.
    fn version(&self, files: &[(&str, &str)]) -> PathBuf {
        let prefix = Utc::now().format("..%Y_%m_%d_%H_%M_%S.").to_string();
        let directory = tempfile::Builder::new().prefix(&prefix).tempdir_in(self.directory.path());
        let directory = directory.expect("a directory in our own").keep();
        for (name, text) in files {
            fs::write(directory.join(name), text).expect("a file in our own directory");
        }
        directory
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn it_looks_like_a_volume_of_the_kubelet() {
        let mount = Mount::new(&[("token", "one"), ("type", "Bearer")]);
        assert_eq!(fs::read_link(mount.path("token")).unwrap(), Path::new("..data/token"));
        let version = fs::read_link(mount.path(DATA)).unwrap();
        assert!(version.to_str().unwrap().starts_with("..20"), "{}", version.display());
        mount.replace(&[("token", "two")]);
        assert_ne!(fs::read_link(mount.path(DATA)).unwrap(), version);
        assert!(!mount.path(version.to_str().unwrap()).exists(), "the earlier version is removed");
        assert!(fs::symlink_metadata(mount.path("type")).is_err(), "a removed key has no file");
        assert_eq!(fs::read_dir(mount.directory.path()).unwrap().count(), 3, "token, ..data and one version");
    }

    #[test]
    fn a_name_leads_to_the_new_file_and_an_open_file_stays_the_old_one() {
        let mount = Mount::new(&[("token", "one")]);
        let mut open = fs::File::open(mount.path("token")).unwrap();
        mount.replace(&[("token", "two")]);
        assert_eq!(fs::read_to_string(mount.path("token")).unwrap(), "two");
        open.rewind().unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one");
    }

    #[test]
    fn there_is_no_instant_without_a_present_version() {
        let mount = Mount::new(&[("token", "0")]);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut looks = 0;
                while !done.load(Ordering::Relaxed) || looks == 0 {
                    // The link is read and not the file: a reader that has followed the link may find that the directory was
                    // just deleted, as with the kubelet.
                    fs::read_link(mount.path(DATA)).expect("the link is there");
                    looks += 1;
                }
            });
            for version in 1..300 {
                mount.replace(&[("token", &version.to_string())]);
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
    }
}
