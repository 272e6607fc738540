/** The file that `itn.study.explorer_data` writes; the bundler puts it in. */
declare module "packed" {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}
