// Labels are stored in IndexedDB, under the name of the review, so that they survive closing the page; texts are not stored.
// Not in localStorage: Chromium may lose what a page that was opened as a file writes there.

function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Run an action on the store in a transaction; resolves to its result once the transaction has ended. */
async function withStore(action, mode) {
  const request = indexedDB.open("dlcli review", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("labels");
  const database = await resultOf(request);
  try {
    const [name] = database.objectStoreNames; // the only one, whatever an earlier release called it
    const transaction = database.transaction(name, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const result = await action(transaction.objectStore(name));
    await ended;
    return result;
  } finally {
    database.close();
  }
}

/** The [pair, label] entries stored under the name; none if the browser does not store data. */
async function loadEntries(name) {
  try {
    return (await withStore((store) => resultOf(store.get(name)), "readonly")) ?? [];
  } catch {
    return [];
  }
}

/** Store the entries under the name. Resolves to true once they are stored, to false if the browser does not store data. */
async function saveEntries(name, entries) {
  try {
    await withStore((store) => resultOf(store.put(entries, name)), "readwrite");
    return true;
  } catch {
    return false;
  }
}
