export { decodeResponse, encodeRequest, JSON_LENGTH_HEADER } from './codec.ts';
export type { DecodedResponse, EncodedRequest, EncodeOptions } from './codec.ts';
export type { BytesTensor, Datatype, DatatypeArrays, ProtocolTensor } from './datatypes.ts';
export { InferenceClient, InferenceClientError } from './inferenceClient.ts';
export type { ClientOptions } from './inferenceClient.ts';
