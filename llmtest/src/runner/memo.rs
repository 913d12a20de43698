//! What is made once for a run, such as the steps of a G-Eval: shared by all cases, rows and processes of the run.

use crate::Result;
use llmtest_metrics::{BoxFuture, Memo};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// A memo in memory and in the run's folder.
pub(crate) struct RunMemo {
    folder: PathBuf,
    /// Names the recordings and the mode: what one package recorded is not taken for another's.
    scope: String,
    cells: Mutex<HashMap<String, Arc<OnceCell<Value>>>>,
}

impl RunMemo {
    pub(crate) fn new(folder: PathBuf, scope: &str) -> Self {
        Self {
            folder,
            scope: llmtest_metrics::hash::short(scope.as_bytes()),
            cells: Mutex::default(),
        }
    }

    /// The value that another process of the run made, or made here, under a lock: it is asked for once, and all
    /// processes go on with one value. `None` of the lock (a file system without) means that each process makes its own.
    async fn shared(&self, key: &str, make: BoxFuture<'_, Result<Value>>) -> Result<Value> {
        let path = self.folder.join(format!("once-{}-{key}.json", self.scope));
        let lock_path = path.with_extension("lock");
        let folder = self.folder.clone();
        let lock = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(folder).ok()?;
            let file = File::create(lock_path).ok()?;
            file.lock().ok().map(|()| file)
        });
        let _held = lock.await?;
        let known = std::fs::read_to_string(&path).ok();
        if let Some(value) = known.and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(value);
        }
        let value = make.await?;
        // Only other processes miss what cannot be written.
        let draft = path.with_extension("draft");
        let _ =
            std::fs::write(&draft, value.to_string()).and_then(|()| std::fs::rename(&draft, &path));
        Ok(value)
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
        let memo = RunMemo::new(folder.clone(), "s");
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
        let other_process = RunMemo::new(folder.clone(), "s");
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
