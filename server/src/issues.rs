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
    let archive = added(None, (&stored, read_issues(&found)?), config, store).await?;
    Ok((archive, Seen(found.into_iter().collect())))
}

/// The archive with what came since; `None` when nothing did.
pub(crate) async fn refreshed(
    archive: &Archive,
    seen: &mut Seen,
    (config, store): (&Config, &Store),
) -> Result<Option<Archive>, NodeError> {
    let newest = archive.newest().map(|issue| issue.content().issue);
    let stored = store.read(move |tx| directory::issues_after(tx, newest)).await?;
    let found = changed(&config.resolve(&config.directory), seen)?;
    if stored.is_empty() && found.is_empty() {
        return Ok(None);
    }
    let archive = added(Some(archive.clone()), (&stored, read_issues(&found)?), config, store).await?;
    seen.0.extend(found);
    Ok(Some(archive))
}

/// The archive with more issues; those that files brought are kept in the store.
async fn added(
    mut archive: Option<Archive>,
    (stored, placed): (&[Json], Vec<(String, Json)>),
    config: &Config,
    store: &Store,
) -> Result<Archive, NodeError> {
    let broken = |cause| NodeError::Directory { path: "in the database".to_owned(), cause };
    for issue in stored {
        match &mut archive {
            None => archive = Some(Archive::start(issue, config.directory_root.as_ref()).map_err(broken)?),
            Some(archive) => archive.add(issue).map(|_| ()).map_err(broken)?,
        }
    }
    for (name, json) in placed {
        let refused = |cause| NodeError::Directory { path: name.clone(), cause };
        let new = match &mut archive {
            None => {
                archive = Some(Archive::start(&json, config.directory_root.as_ref()).map_err(refused)?);
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
    archive.ok_or_else(|| NodeError::Directory {
        path: config.resolve(&config.directory).display().to_string(),
        cause: DirectoryError::Empty,
    })
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
    use super::*;

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
