// Requests to this server, and messages for people when they fail.

const KEY = "isoglot-key";

export class Failure extends Error {
  constructor(title, message, status = 0) {
    super(message);
    this.title = title;
    this.status = status;
  }
}

export const setKey = (key) => sessionStorage.setItem(KEY, key);

const TITLES = {
  401: "This server asks for a key",
  404: "That cannot be searched",
  413: "That was too much text",
  422: "That cannot be searched",
  429: "The server is busy",
  503: "The index cannot be read now",
};

async function send(path, body, signal) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server does not answer", "Is isoglot serve still running? Your question is kept; search again when it is.");
  }
  if (response.ok) return response;
  const failed = await response.json().catch(() => null);
  throw new Failure(TITLES[response.status] ?? "Something went wrong", failed?.error?.message ?? `The server answered ${response.status}.`, response.status);
}

export const get = async (path, signal) => (await send(path, null, signal)).json();
export const post = async (path, body, signal) => (await send(path, body, signal)).json();
export const blob = async (path) => (await send(path)).blob();
