//! A small disk of its own, that can be filled and made read-only.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A `tmpfs`; gone when dropped. Drop it before the folder that it is in.
pub struct Disk {
    pub path: PathBuf,
}

impl Disk {
    /// Mounts one, where that is allowed.
    pub fn mount(path: &Path, mebibytes: u32) -> Result<Self, String> {
        std::fs::create_dir_all(path).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &size, "settled-test"], path);
        if !mounted {
            return Err("this user may not mount a tmpfs".to_owned());
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Writes until nothing more fits.
    pub fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        for size in [64 * 1024, 4 * 1024, 512] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Takes the ballast out again.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    /// Nothing can be written to it any more.
    pub fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], &self.path));
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l"], &self.path);
    }
}

fn run(program: &str, options: &[&str], path: &Path) -> bool {
    let done = Command::new(program)
        .args(options)
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success())
}
