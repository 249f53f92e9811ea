/**
 * Writes the files of a site in the making. Rendering and writing take about as long as one another, so that a site of
 * some size is written by two threads: the other one as fast as it can, this one what is too much for that.
 */
import { extname } from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { BuildFiles } from './build-files.ts';
import type { Answer, Batch, ThreadSettings } from './build-thread.ts';

/** Most sites are small: their files are written before a thread has started. */
const FILES_BEFORE_THREAD = 2_000;
/** All that ever waits to be written: bounds memory. */
const BUFFERS = 4;
const BUFFER_BYTES = 256 * 1024;
const BATCH_FILES = 512;
/** What it makes is short-lived and small; by default it would let 48 MiB of that pile up. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

// The extension differs between the sources and what they are compiled to. The sources run where Node reads TypeScript
// by itself; under a loader such as tsx the thread does not start, and this one writes everything.
const threadModule = new URL(`./build-thread${extname(import.meta.url)}`, import.meta.url);

export class BuildWriter {
  readonly #root: string;
  readonly #module: URL;
  readonly #files: BuildFiles;
  #own = 0;
  #given = 0;
  #thread: { readonly worker: Worker; readonly port: MessagePort } | undefined;
  #started = false;
  #free: ArrayBuffer[] = [];
  #waiting = 0;
  #filling: Filling | undefined;
  #failure: Error | undefined;
  /** Links that could not be made: their files are copies. */
  readonly copied = new Set<string>();

  constructor(root: string, module: URL = threadModule) {
    this.#root = root;
    this.#module = module;
    this.#files = new BuildFiles(root);
  }

  /** How many files the other thread has got. */
  get given(): number {
    return this.#given;
  }

  /** Synchronous, for files that are written piece by piece. */
  open(path: string): number {
    return this.#files.open(path);
  }

  write(path: string, bytes: Uint8Array): void {
    if (this.#give(path, undefined, bytes)) return;
    this.#files.write(path, bytes);
  }

  link(source: string, path: string): void {
    if (this.#give(path, source, nothing)) return;
    if (!this.#files.link(source, path)) this.copied.add(path);
  }

  /** False when the other thread has enough to do, or does not run. */
  #give(path: string, source: string | undefined, bytes: Uint8Array): boolean {
    if (!this.#thread) {
      this.#own += 1;
      if (this.#own === FILES_BEFORE_THREAD) this.#start();
      return false;
    }
    if (this.#filling && !this.#filling.hasRoomFor(bytes)) this.#send();
    if (!this.#filling) {
      this.#receive();
      const buffer = bytes.byteLength <= BUFFER_BYTES ? this.#free.pop() : undefined;
      if (!buffer) return false;
      this.#filling = new Filling(buffer);
    }
    this.#filling.add(path, source, bytes);
    this.#given += 1;
    return true;
  }

  #start(): void {
    const { port1: port, port2 } = new MessageChannel();
    const settings: ThreadSettings = { root: this.#root, port: port2 };
    const worker = new Worker(this.#module, {
      workerData: settings,
      transferList: [port2],
      resourceLimits: THREAD_LIMITS,
    });
    // A thread that cannot start is not needed: nothing is given to it before it says that it runs.
    worker.on('error', (error) => {
      if (this.#started) this.#failure ??= error;
    });
    this.#thread = { worker, port };
  }

  #send(): void {
    if (!this.#filling || !this.#thread) return;
    const { batch } = this.#filling;
    this.#thread.port.postMessage(batch, [batch.buffer]);
    this.#filling = undefined;
    this.#waiting += 1;
  }

  /** Takes what the other thread has answered so far, without waiting: whoever adds files never lets events in. */
  #receive(): void {
    if (!this.#thread) return;
    for (;;) {
      const received = receiveMessageOnPort(this.#thread.port) as { message: Answer } | undefined;
      if (!received) break;
      this.#take(received.message);
    }
    if (this.#failure) throw this.#failure;
  }

  #take(answer: Answer): void {
    if (answer === 'started') {
      this.#started = true;
      for (let i = 0; i < BUFFERS; i += 1) this.#free.push(new ArrayBuffer(BUFFER_BYTES));
      return;
    }
    this.#waiting -= 1;
    if ('buffer' in answer) {
      this.#free.push(answer.buffer);
      for (const path of answer.copied) this.copied.add(path);
    } else this.#failure ??= Object.assign(new Error(answer.message), { code: answer.code });
  }

  /** Everything is written when it returns. */
  async finish(): Promise<void> {
    this.#send();
    if (!this.#thread) return;
    const { worker, port } = this.#thread;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (this.#failure) reject(this.#failure);
        else if (this.#waiting === 0) resolve();
      };
      worker.on('error', look);
      port.on('message', (answer: Answer) => {
        this.#take(answer);
        look();
      });
      look();
    });
    await this.end();
  }

  /** Nothing is written any more when it returns. Safe to repeat. */
  async end(): Promise<void> {
    this.#thread?.port.close();
    await this.#thread?.worker.terminate();
  }
}

const nothing = new Uint8Array();

/** A batch in the making. */
class Filling {
  readonly #paths: string[] = [];
  readonly #sources: (string | undefined)[] = [];
  readonly #ends: number[] = [];
  readonly #bytes: Uint8Array;
  readonly #buffer: ArrayBuffer;
  #end = 0;

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
  }

  get batch(): Batch {
    return { paths: this.#paths, sources: this.#sources, ends: this.#ends, buffer: this.#buffer };
  }

  hasRoomFor(bytes: Uint8Array): boolean {
    return this.#paths.length < BATCH_FILES && this.#end + bytes.byteLength <= this.#bytes.byteLength;
  }

  add(path: string, source: string | undefined, bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.byteLength;
    this.#paths.push(path);
    this.#sources.push(source);
    this.#ends.push(this.#end);
  }
}
