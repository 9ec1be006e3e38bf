//! PostgreSQL, or one of its processes, as on a machine that freezes.

use std::process::{Command, Stdio};

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::cluster::Cluster;
use super::database::connect;

/// Processes that do nothing until this is dropped.
pub(crate) struct Frozen {
    processes: Vec<String>,
}

#[derive(QueryableByName)]
struct Folder {
    #[diesel(sql_type = Text)]
    folder: String,
}

impl Frozen {
    /// Stops all processes of a server on this machine.
    pub(crate) fn server(cluster: &Cluster) -> Self {
        let folder = diesel::sql_query("SELECT current_setting('data_directory') AS folder")
            .get_result::<Folder>(&mut connect(cluster.admin_url()))
            .expect("the server's folder")
            .folder;
        let pid_file = std::fs::read_to_string(format!("{folder}/postmaster.pid")).expect("the server's process");
        let postmaster = pid_file.lines().next().expect("a number").to_owned();
        let frozen = Self { processes: [vec![postmaster.clone()], children(&postmaster)].concat() };
        frozen.signal("STOP");
        frozen
    }

    /// Stops one process.
    pub(crate) fn process(number: i64) -> Self {
        let frozen = Self { processes: vec![number.to_string()] };
        frozen.signal("STOP");
        frozen
    }

    fn signal(&self, name: &str) {
        // One of them may have ended meanwhile.
        let kill = Command::new("kill").args(["-s", name]).args(&self.processes).stderr(Stdio::null()).status();
        kill.expect("kill");
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

fn children(parent: &str) -> Vec<String> {
    let is_child = |pid: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may hold anything, stand the state and the parent.
        stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent)
    };
    let entries = std::fs::read_dir("/proc").expect("the processes").flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_child).collect()
}
