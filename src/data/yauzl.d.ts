/** The part of yauzl 3.4 that `zipContainer.ts` uses; the package brings no types. */
declare module 'yauzl' {
  export interface Entry {
    readonly fileName: Buffer;
    readonly fileNameRaw: Buffer;
    readonly extraFields: readonly { readonly id: number; readonly data: Buffer }[];
    readonly generalPurposeBitFlag: number;
    readonly compressionMethod: number;
    readonly crc32: number;
    readonly compressedSize: number;
    readonly uncompressedSize: number;
    readonly externalFileAttributes: number;
    readonly relativeOffsetOfLocalHeader: number;
    isEncrypted(): boolean;
  }

  export interface ZipFile {
    readonly entryCount: number;
    eachEntry(): AsyncIterable<Entry>;
    readLocalFileHeaderPromise(entry: Entry, options: { minimal: true }): Promise<{ readonly fileDataStart: number }>;
    close(): void;
  }

  export interface Options {
    autoClose?: boolean;
    decodeStrings?: boolean;
    validateEntrySizes?: boolean;
  }

  export function openPromise(path: string, options: Options): Promise<ZipFile>;
  export function getFileNameLowLevel(
    generalPurposeBitFlag: number,
    fileNameRaw: Buffer,
    extraFields: Entry['extraFields'],
    strictFileNames: boolean,
  ): string;
}
