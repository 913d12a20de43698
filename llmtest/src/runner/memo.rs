//! What is made once for a run, such as the steps of a G-Eval: shared by all cases, rows and processes of the run.

use crate::Result;
use llmtest_metrics::{BoxFuture, Memo};
use serde_json::Value;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A memo in memory and in the run's folder.
pub(crate) struct RunMemo {
    folder: PathBuf,
    cells: Mutex<HashMap<String, Arc<OnceCell<Value>>>>,
}

impl RunMemo {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            cells: Mutex::default(),
        }
    }

    /// The value that another process of the run made, or made here. The first to write wins, and the others read what
    /// it wrote, so that all processes go on with one value.
    async fn shared(&self, key: &str, make: BoxFuture<'_, Result<Value>>) -> Result<Value> {
        let path = self.folder.join(format!("once-{key}.json"));
        let read = || {
            std::fs::read_to_string(&path)
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok())
        };
        if let Some(value) = read() {
            return Ok(value);
        }
        let value = make.await?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| std::fs::write(&temporary, value.to_string()));
        // A hard link fails when the name is taken: unlike a rename it never replaces what others have read.
        let first = written.and_then(|()| std::fs::hard_link(&temporary, &path));
        let _ = std::fs::remove_file(&temporary);
        Ok(if first.is_ok() {
            value
        } else {
            read().unwrap_or(value)
        })
    }
}

impl Memo for RunMemo {
    fn get_or_make<'a>(
        &'a self,
        key: &'a str,
        make: BoxFuture<'a, Result<Value>>,
    ) -> BoxFuture<'a, Result<Value>> {
        let cell = self
            .cells
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key.to_string())
            .or_default()
            .clone();
        Box::pin(async move {
            cell.get_or_try_init(|| self.shared(key, make))
                .await
                .cloned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_value_is_made_once_and_an_error_is_tried_again() {
        let folder = std::env::temp_dir().join(format!("llmtest-memo-{}", std::process::id()));
        let memo = RunMemo::new(folder.clone());
        assert!(
            memo.get_or_make("k", Box::pin(async { Err("no".into()) }))
                .await
                .is_err()
        );
        assert_eq!(
            memo.get_or_make("k", Box::pin(async { Ok(json!(1)) }))
                .await
                .unwrap(),
            1
        );
        assert_eq!(
            memo.get_or_make("k", Box::pin(async { Ok(json!(2)) }))
                .await
                .unwrap(),
            1
        );
        let other_process = RunMemo::new(folder.clone());
        assert_eq!(
            other_process
                .get_or_make("k", Box::pin(async { Ok(json!(3)) }))
                .await
                .unwrap(),
            1
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
