//! The directory's issues that a deployment holds: those in its store, and what the configured place adds to them.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::{Archive, DirectoryError};

use crate::config::{Config, ConfigError};
use crate::node::NodeError;
use crate::store::{Store, directory};

/// The files that were looked at for issues. A server looks every few seconds, and a directory of some years has a
/// hundred issues: none is read and verified twice.
#[derive(Clone, Default)]
pub(crate) struct Seen(HashMap<PathBuf, Stamp>);

/// A file as it was: any change shows in one of its time, its length and its number on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

/// The issues that the store and the configured place hold, and the files that were looked at.
pub(crate) async fn load(config: &Config, store: &Store) -> Result<(Archive, Seen), NodeError> {
    let stored = store.read(|tx| directory::issues_after(tx, None)).await?;
    let found = changed(&config.resolve(&config.directory), &Seen::default())?;
    let mut archive = None;
    add(&mut archive, (&stored, read_issues(&found)?), config, store).await?;
    let archive = archive.ok_or_else(|| NodeError::Directory {
        path: config.resolve(&config.directory).display().to_string(),
        cause: DirectoryError::Empty,
    })?;
    Ok((archive, Seen(found.into_iter().collect())))
}

/// The archive with what came since, as far as it can be taken, and why the rest can't; no archive when nothing came.
pub(crate) async fn refreshed(
    archive: &Archive,
    seen: &mut Seen,
    (config, store): (&Config, &Store),
) -> (Option<Archive>, Result<(), NodeError>) {
    let mut more = None;
    let taken = refresh(archive, &mut more, seen, (config, store)).await;
    // What the store could not keep is not taken: it comes again at the next look.
    if matches!(taken, Err(NodeError::Store(_))) {
        more = None;
    }
    (more, taken)
}

async fn refresh(
    archive: &Archive,
    more: &mut Option<Archive>,
    seen: &mut Seen,
    (config, store): (&Config, &Store),
) -> Result<(), NodeError> {
    let newest = archive.newest().map(|issue| issue.content().issue);
    let stored = store.read(move |tx| directory::issues_after(tx, newest)).await?;
    let found = changed(&config.resolve(&config.directory), seen)?;
    if stored.is_empty() && found.is_empty() {
        return Ok(());
    }
    *more = Some(archive.clone());
    add(more, (&stored, read_issues(&found)?), config, store).await?;
    seen.0.extend(found);
    Ok(())
}

/// Adds issues one by one, up to the first that is refused; those that files brought are kept in the store.
async fn add(
    archive: &mut Option<Archive>,
    (stored, placed): (&[Json], Vec<(String, Json)>),
    config: &Config,
    store: &Store,
) -> Result<(), NodeError> {
    let broken = |cause| NodeError::Directory { path: "in the database".to_owned(), cause };
    for issue in stored {
        match archive {
            None => *archive = Some(Archive::start(issue, config.directory_root.as_ref()).map_err(broken)?),
            Some(archive) => archive.add(issue).map(|_| ()).map_err(broken)?,
        }
    }
    for (name, json) in placed {
        let refused = |cause| NodeError::Directory { path: name.clone(), cause };
        let new = match archive {
            None => {
                *archive = Some(Archive::start(&json, config.directory_root.as_ref()).map_err(refused)?);
                true
            }
            // A file that is older than what is held says nothing new.
            Some(archive) => match archive.add(&json) {
                Ok(added) => added,
                Err(DirectoryError::Older { .. }) => false,
                Err(cause) => return Err(refused(cause)),
            },
        };
        let number = archive.as_ref().and_then(Archive::newest).map(|issue| issue.content().issue);
        if let Some(number) = number.filter(|_| new) {
            store.write(move |tx| directory::keep(tx, number, &json)).await?;
        }
    }
    Ok(())
}

/// The files at the configured place that are not as they were seen, each as it is now.
fn changed(place: &Path, seen: &Seen) -> Result<Vec<(PathBuf, Stamp)>, ConfigError> {
    let stamped = |path: PathBuf| {
        let unreadable = |cause| ConfigError::Read { path: path.clone(), cause };
        let file = std::fs::metadata(&path).map_err(unreadable)?;
        let modified = file.modified().map_err(unreadable)?;
        let stamp = Stamp { modified, bytes: file.len(), inode: file.ino() };
        Ok((path, stamp))
    };
    let mut files = issue_files(place)?.into_iter().map(stamped).collect::<Result<Vec<_>, _>>()?;
    files.retain(|(path, stamp)| seen.0.get(path) != Some(stamp));
    Ok(files)
}

/// The issues in the files, in the order of their numbers.
fn read_issues(files: &[(PathBuf, Stamp)]) -> Result<Vec<(String, Json)>, NodeError> {
    let mut issues = Vec::new();
    for (path, _) in files {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|cause| ConfigError::Read { path: path.clone(), cause })?;
        let json = Json::decode(&bytes, &Limits::COLLECTION)
            .map_err(|cause| NodeError::DirectoryFile { path: name.clone(), cause })?;
        issues.push((name, json));
    }
    let number = |json: &Json| json.value()["directory"]["issue"].as_u64().unwrap_or(u64::MAX);
    issues.sort_by_key(|(_, json)| number(json));
    Ok(issues)
}

/// The file itself, or the JSON files of a folder.
pub(crate) fn issue_files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |cause| ConfigError::Read { path: path.to_owned(), cause };
    let entries = std::fs::read_dir(path).map_err(unreadable)?;
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use cme_spec::envelope::Envelope;
    use cme_spec::example;
    use cme_spec::signature::SigningKey;

    use super::*;
    use crate::config::{Delivery, Limits as Bounds, Tls};

    /// The example's issues, each after the one before.
    fn issues(count: u64, key: &SigningKey) -> Vec<Json> {
        let mut issues: Vec<Envelope<cme_spec::directory::Directory>> = vec![example::signed_directory()];
        for issue in 2..=count {
            let previous = issues.last().map(Envelope::digest);
            let next = cme_spec::directory::Directory { issue, previous, ..example::directory() };
            issues.push(Envelope::sign(next, key));
        }
        issues.iter().map(Envelope::to_json).collect()
    }

    /// A deployment with a folder for issues, of which the first is there.
    struct Deployment {
        folder: tempfile::TempDir,
        config: Config,
        store: Store,
        seen: Seen,
        archive: Archive,
    }

    impl Deployment {
        async fn begun() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let addresses = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap());
            let tls = Tls { certificate: PathBuf::new(), key: PathBuf::new(), tls12: false };
            let mut config =
                Config::new(addresses, tls, Vec::new(), (Bounds::default(), Delivery::default()));
            config.directory = folder.path().join("issues");
            std::fs::create_dir(&config.directory).unwrap();
            std::fs::write(
                config.directory.join("1.json"),
                issues(1, &example::root_key())[0].canonical_text(),
            )
            .unwrap();
            let database = crate::store::sqlite::Sqlite::at(&folder.path().join("cme.sqlite")).unwrap();
            let store = Store::open(std::sync::Arc::new(database)).unwrap();
            let (archive, seen) = load(&config, &store).await.unwrap();
            Self { folder, config, store, seen, archive }
        }

        fn place(&self, number: u64, issue: &Json) {
            let path = self.folder.path().join(format!("issues/{number}.json"));
            std::fs::write(path, issue.canonical_text()).unwrap();
        }

        /// The newest issue after a look that gave something, and whether all could be taken.
        async fn look(&mut self) -> (Option<u64>, bool) {
            let (more, taken) = refreshed(&self.archive, &mut self.seen, (&self.config, &self.store)).await;
            let newest = more.as_ref().and_then(Archive::newest).map(|issue| issue.content().issue);
            self.archive = more.unwrap_or_else(|| self.archive.clone());
            (newest, taken.is_ok())
        }
    }

    #[tokio::test]
    async fn an_issue_of_a_file_or_of_another_process_is_taken_and_kept() {
        let (mut deployment, issues) = (Deployment::begun().await, issues(3, &example::root_key()));
        assert_eq!(deployment.look().await, (None, true));
        deployment.place(2, &issues[1]);
        assert_eq!(deployment.look().await, (Some(2), true));
        let kept = deployment.store.read(|tx| directory::issues_after(tx, Some(1))).await.unwrap();
        assert_eq!(kept, [issues[1].clone()]);
        let third = issues[2].clone();
        deployment.store.write(move |tx| directory::keep(tx, 3, &third)).await.unwrap();
        assert_eq!(deployment.look().await, (Some(3), true));
        assert_eq!(deployment.look().await, (None, true));
    }

    #[tokio::test]
    async fn what_stands_before_a_refused_issue_is_taken_and_the_refused_one_looked_at_again() {
        let (mut deployment, right) = (Deployment::begun().await, issues(3, &example::root_key()));
        let forged = issues(3, &example::signing_key("373"));
        deployment.place(2, &right[1]);
        deployment.place(3, &forged[2]);
        assert_eq!(deployment.look().await, (Some(2), false));
        assert_eq!(deployment.look().await, (Some(2), false));
        deployment.place(3, &right[2]);
        assert_eq!(deployment.look().await, (Some(3), true));
    }

    fn names(found: &[(PathBuf, Stamp)]) -> Vec<&str> {
        found.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn a_file_is_read_again_only_when_it_has_changed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("1.json", "{}");
        write("2.json", "{}");
        write("notes.txt", "");
        let found = changed(folder.path(), &Seen::default()).unwrap();
        assert_eq!(names(&found), ["1.json", "2.json"]);
        let seen = Seen(found.into_iter().collect());
        assert!(changed(folder.path(), &seen).unwrap().is_empty());
        write("2.json", "{ }");
        write("3.json", "{}");
        assert_eq!(names(&changed(folder.path(), &seen).unwrap()), ["2.json", "3.json"]);
        // As a file comes that is written beside and renamed: of the same length, and as old as one likes.
        write("new", "{}");
        std::fs::rename(folder.path().join("new"), folder.path().join("1.json")).unwrap();
        let file = std::fs::File::options().append(true).open(folder.path().join("1.json")).unwrap();
        file.set_modified(seen.0[&folder.path().join("1.json")].modified).unwrap();
        assert_eq!(names(&changed(folder.path(), &seen).unwrap()), ["1.json", "2.json", "3.json"]);
    }

    #[test]
    fn a_place_without_a_file_is_a_typed_error() {
        let missing = Path::new("/nowhere/directory.json");
        assert!(
            matches!(changed(missing, &Seen::default()), Err(ConfigError::Read { path, .. }) if path == missing)
        );
    }
}
