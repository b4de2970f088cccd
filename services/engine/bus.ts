/**
 * Answers the questions of all nodes for one node. Receives the kind of the question and the question, and returns this
 * node's answer, or a promise of it. Questions and answers are JSON values; the bus carries them and knows none.
 */
export type NodeResponder = (kind: string, question: unknown) => unknown

/** The answers of all nodes to one question. */
export interface QueryResult {
  readonly answers: readonly unknown[]
  /** Nodes that received the question, this node included. */
  readonly asked: number
}

/** PORT: questions from one node to all nodes. */
export interface Bus {
  /** Number of nodes, this node included. */
  readonly nodes: number
  /** Sends a question to all nodes. Rejects with the error of a responder. */
  ask (kind: string, question: unknown): Promise<QueryResult>
  /** Sets the responder of this node. */
  respond (responder: NodeResponder): void
}
