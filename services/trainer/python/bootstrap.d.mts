export type PythonBootstrapCode =
  'lock-missing' | 'python-missing' | 'python-too-old' | 'venv-missing' | 'install-failed' | 'busy';

export declare class PythonBootstrapError extends Error {
  constructor(code: PythonBootstrapCode, message: string, cause?: unknown);
  readonly code: PythonBootstrapCode;
}

export interface EnsurePythonOptions {
  /** Where the virtual environment is, or is to be made. */
  readonly dir: string;
  /** Pinned requirements; the environment is remade when this file's SHA-256 changes. */
  readonly lockFile: string;
  /** A line of what is going on, also of pip's and uv's output. */
  readonly onProgress?: (line: string) => void;
  /** The interpreter to build on; `python3` when absent. */
  readonly basePython?: string;
}

/** Returns the interpreter of an environment that holds exactly the locked packages, installing them when needed. */
export declare function ensurePython(options: EnsurePythonOptions): Promise<{ python: string }>;
