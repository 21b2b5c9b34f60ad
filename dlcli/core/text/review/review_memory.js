// Judgements outlive the page in IndexedDB, under the name of the review; the texts are not stored. Not in localStorage:
// Chromium may lose what a page opened as a file writes there.

const STORE = "judged";

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** What work makes of the store, once the transaction has ended. */
async function opened(work, mode) {
  const asked = indexedDB.open("dlcli review", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
  const database = await answered(asked);
  try {
    const transaction = database.transaction(STORE, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const made = await work(transaction.objectStore(STORE));
    await ended;
    return made;
  } finally {
    database.close();
  }
}

/** The [pair, value] entries kept under the name; none where the browser keeps nothing. */
async function remembered(name) {
  try {
    return (await opened((judged) => answered(judged.get(name)), "readonly")) ?? [];
  } catch {
    return [];
  }
}

/** Keep the entries under the name. Resolves to true once they are kept, to false where the browser keeps nothing. */
async function remember(name, entries) {
  try {
    await opened((judged) => answered(judged.put(entries, name)), "readwrite");
    return true;
  } catch {
    return false;
  }
}
