// Pictures that need the token: fetched with it, held as long as they are shown, in no storage of the browser.

export class Pictures {
  #urls = new Map(); // key -> Promise of an object URL

  constructor(studio) {
    this.studio = studio;
  }

  // `key` is the address, with a version after `#`.
  async into(image, key) {
    if (!this.#urls.has(key)) this.#urls.set(key, this.#fetched(key));
    const url = await this.#urls.get(key);
    if (url) image.src = url;
  }

  // Forgets all but these.
  keep(keys) {
    for (const [key, url] of this.#urls) {
      if (keys.includes(key)) continue;
      this.#urls.delete(key);
      url.then((known) => known && URL.revokeObjectURL(known));
    }
  }

  async #fetched(key) {
    try {
      const response = await this.studio.ask(key.split("#")[0]);
      return URL.createObjectURL(await response.blob());
    } catch {
      this.#urls.delete(key); // asked again when the gallery is drawn again; its name stands there meanwhile
      return "";
    }
  }
}
