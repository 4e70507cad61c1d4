//! The files of the repository, by paths from its root.

use std::path::{Path, PathBuf};

use crate::Trouble;

/// A text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextFile {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// The repository.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The repository that this program was built from.
    pub(crate) fn of_this_repository() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root: manifest.parent().unwrap_or(manifest).to_owned() }
    }

    /// Where the repository is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file; `None` when there is none.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>, Trouble> {
        match std::fs::read_to_string(self.root.join(path)) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Trouble::File { path: path.to_owned(), cause }),
        }
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<(), Trouble> {
        let full = self.root.join(path);
        let folder = full.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&full, text))
            .map_err(|cause| Trouble::File { path: path.to_owned(), cause })
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &str) -> Result<(), Trouble> {
        std::fs::remove_file(self.root.join(path))
            .map_err(|cause| Trouble::File { path: path.to_owned(), cause })
    }

    /// The text files below a folder whose name ends so, sorted by path; none when the folder is missing.
    /// Build output and hidden folders are left out.
    pub(crate) fn files(&self, folder: &str, ending: &str) -> Result<Vec<TextFile>, Trouble> {
        let mut found = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let trouble = |cause| Trouble::File { path: folder.clone(), cause };
            let entries = match std::fs::read_dir(self.root.join(&folder)) {
                Ok(entries) => entries,
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(trouble(cause)),
            };
            for entry in entries {
                let entry = entry.map_err(trouble)?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
                let is_folder = entry.file_type().map_err(trouble)?.is_dir();
                if name.starts_with('.') || name == "target" {
                    continue;
                }
                if is_folder {
                    folders.push(path);
                } else if name.ends_with(ending) {
                    let text = self.read(&path)?.unwrap_or_default();
                    found.push(TextFile { path, text });
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}
